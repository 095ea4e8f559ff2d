"""The SMTP protocol: connections, transactions and their errors. Knows no Message and no Flask."""
