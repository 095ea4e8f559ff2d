// Sends with Nodemailer what the lines of JSON on standard input ask for, as worker.py does.
//
// node nodemailer_worker.cjs OPTIONS; its `folder` has node_modules with Nodemailer.
"use strict";

const { createRequire } = require("node:module");
const { createInterface } = require("node:readline");

const options = JSON.parse(process.argv[2]);
const nodemailer = createRequire(`${options.folder}/`)("nodemailer");
const transport = nodemailer.createTransport({
  pool: true, // five connections, its default
  host: options.host,
  port: options.port,
  ignoreTLS: true,
  name: "client.bench.test",
});
const message = () => ({
  from: options.sender,
  to: options.recipient,
  subject: options.subject,
  text: options.text,
  html: options.html,
});

async function batch(count) {
  await transport.sendMail(message()); // a connection is in the pool then
  const start = process.hrtime.bigint();
  await Promise.all(Array.from({ length: count }, () => transport.sendMail(message())));
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  return { around: 0, sending: seconds, count, sent: count + 1 };
}

async function main() {
  for await (const line of createInterface({ input: process.stdin })) {
    let answer;
    try {
      const request = JSON.parse(line);
      if (request.task !== "batch") throw new Error(`it cannot do ${request.task}`);
      answer = await batch(request.count);
    } catch (error) {
      console.error(error);
      answer = { error: `${error.name}: ${error.message}` };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
  transport.close();
}

main();
