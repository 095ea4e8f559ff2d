"""Locks that outlive a fork."""

from __future__ import annotations

import subprocess
import sys
import threading

from flask_mail.util.locks import ForkSafeLock, _count_fork


def test_a_lock_keeps_other_threads_out_and_lets_its_own_in_again():
    lock = ForkSafeLock()
    tried = []
    with lock(), lock():
        thread = threading.Thread(target=lambda: tried.append(lock().acquire(blocking=False)))
        thread.start()
        thread.join()
    assert tried == [False]


def test_lock_is_reset_after_fork():
    lock = ForkSafeLock()
    with lock():
        _count_fork()  # what a child does first
        taken = []
        thread = threading.Thread(target=lambda: taken.append(lock().acquire(blocking=False)))
        thread.start()
        thread.join()
    assert taken == [True]


def test_lock_that_another_thread_has_renewed_is_kept():
    lock = ForkSafeLock()
    _count_fork()
    renewed = lock()
    lock._renew()  # of a thread that came too late
    assert lock() is renewed


def test_child_of_a_real_fork_can_take_a_held_lock():
    program = """
import os, threading
from flask_mail.util.locks import ForkSafeLock

lock, held, done = ForkSafeLock(), threading.Event(), threading.Event()

def hold():
    with lock():
        held.set()
        done.wait(60)

thread = threading.Thread(target=hold)
thread.start()
held.wait(60)
child = os.fork()
if not child:
    os._exit(0 if lock().acquire(timeout=20) else 1)
status = os.waitpid(child, 0)[1]
done.set()
thread.join()
raise SystemExit(os.waitstatus_to_exitcode(status))
"""
    # Python 3.12 warns of forks beside threads, which is what this is about.
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=90)
