"""Whether a server's sessions and our programs still make progress while no data arrives from them."""

import re
from dataclasses import dataclass, field, replace
from typing import Protocol

_WAITS_FOR_OTHERS = {"Client", "Activity"}
"""Kinds of wait (pg_stat_activity.wait_event_type) in which a session does nothing itself."""
_WAKING = {"ProcSignalBarrier", "RegisterSyncRequest", "BackupWaitWalArchive"}
"""Events (pg_stat_activity.wait_event) that a session waits for in a loop: it wakes up, checks and sleeps
again. If the process it waits for is stopped, it does so for ever, and the context switches are no progress.
Source: the waits with a time limit in PostgreSQL's procsignal.c, sync.c and xlog.c."""
_RUNNING = "R"
_STOPPED = ("T", "t")
_WORDS = 80
_VALUE = re.compile(r"'|\$|(?<![\w])\d|--|/\*")


class Watcher(Protocol):
    """Supervises a wait for data. It is called whenever data arrives, and regularly while none does."""

    def heard(self) -> None:
        """Data has arrived."""

    def tick(self) -> None:
        """No data has arrived since the last call; raises an error to end the wait."""


class _Nobody:
    """A watcher that waits for ever."""

    def heard(self) -> None:
        pass

    def tick(self) -> None:
        pass


NOBODY = _Nobody()


@dataclass(frozen=True, slots=True)
class Limits:
    """In seconds: how long everything may be without progress, and how long to wait for others' locks."""

    stall: float = 300.0
    lock: float = 300.0

    @property
    def answer(self) -> float:
        """How long reading the server's activity may take, in seconds."""
        return min(10.0, max(2.0, self.stall / 4))


@dataclass(frozen=True, slots=True)
class Session:
    """A session of ours, as in pg_stat_activity.

    `marks` holds what changes with progress: the times of its statement, the pg_stat_progress_* counters.
    `process` is the state letter of its process and its number of context switches (Linux, proc(5)); empty if
    we may not read them.
    """

    pid: int
    state: str
    wait: str
    event: str
    marks: tuple[str, ...] = ()
    process: tuple[str, ...] = ()

    @property
    def stopped(self) -> bool:
        """Whether its process is stopped by a signal."""
        return self.process[:1] != () and self.process[0] in _STOPPED

    @property
    def sure(self) -> bool:
        """Whether its progress would be visible."""
        return self.state != "active" or bool(self.process) or self.wait in _WAITS_FOR_OTHERS

    @property
    def still(self) -> "Session":
        """The session without context switches that are no progress (`_WAKING`), to compare readings."""
        return replace(self, process=self.process[:1]) if self.event in _WAKING else self

    @property
    def sentence(self) -> str:
        if self.stopped:
            return f"its process {self.pid} at the server is stopped (SIGSTOP)"
        waits = f", waits for {self.wait}/{self.event}" if self.wait else ""
        return f"its session {self.pid} at the server is {self.state or 'there'}{waits}"


@dataclass(frozen=True, slots=True)
class Program:
    """A program of ours on this machine: its name, its state letter, and `seconds` of CPU time used."""

    pid: int
    name: str
    state: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Activity:
    """One reading of what sessions and programs do.

    `silent` says how the server failed to answer this reading; empty if it answered. `unsure`: the reading
    failed for a reason that says nothing about progress (no right, no free connection).
    """

    sessions: tuple[Session, ...] = ()
    programs: tuple[Program, ...] = ()
    silent: str = ""
    unsure: bool = False

    @property
    def still(self) -> "Activity":
        """What changes between two readings if anything makes progress."""
        return replace(self, sessions=tuple(session.still for session in self.sessions))

    @property
    def running(self) -> bool:
        """Whether any of the processes runs at this moment."""
        letters = [session.process[0] for session in self.sessions if session.process]
        return _RUNNING in letters or any(program.state == _RUNNING for program in self.programs)

    @property
    def sure(self) -> bool:
        """Whether progress of any session would be visible."""
        return not self.unsure and all(session.sure for session in self.sessions)


def stalled(before: Activity, now: Activity) -> str | None:
    """The cause in words if nothing made progress between two readings; None if something did or may have.

    A server whose processes we cannot see may compute or hang. It gets the benefit of the doubt; then the
    time limit of the whole command applies.
    """
    if now.silent:
        return f"the server does not answer a new connection either ({now.silent})" if before.silent else None
    waits_for_lock = any(session.wait == "Lock" for session in now.sessions)  # has a limit of its own
    if before.still != now.still or now.running or not now.sure or waits_for_lock:
        return None
    programs = [program for program in now.programs if program.state in _STOPPED]
    if programs:
        return f"{programs[0].name} (process {programs[0].pid}) on this machine is stopped (SIGSTOP)"
    sessions = [session for session in now.sessions if session.stopped]
    sessions = sessions or [session for session in now.sessions if session.state == "active"]
    return sessions[0].sentence if sessions else "no session at the server and no program here is at work"


def stopped(now: Activity) -> int | None:
    """The id of the first process that a signal has stopped, ours before the server's; None if none is."""
    local = [program.pid for program in now.programs if program.state in _STOPPED]
    remote = [session.pid for session in now.sessions if session.stopped]
    return next(iter(local + remote), None)


@dataclass(frozen=True, slots=True)
class Blocker:
    """A session that holds a lock, or queues for it ahead of ours.

    `words` is the start of its statement, without any value. Process 0 is a prepared transaction (see
    pg_blocking_pids). A session that is just starting has no names yet. `for_us`: it waits for one of ours.
    """

    pid: int
    user: str
    application: str
    state: str
    since: str
    words: str
    for_us: bool = False

    @property
    def sentence(self) -> str:
        if not self.pid:
            return "a prepared transaction"
        who = f"{self.user}, {self.application or 'no application name'}"
        what = f": {self.words}" if self.words else ""
        return f"process {self.pid} ({who}; {self.state or 'state unknown'} since {self.since or '?'}{what})"


@dataclass(frozen=True, slots=True)
class LockWait:
    """A session of ours that waits for a lock on `relation`, and the sessions that block it."""

    pid: int
    relation: str
    blockers: tuple[Blocker, ...] = field(default=())

    @property
    def sentence(self) -> str:
        holders = "; ".join(blocker.sentence for blocker in self.blockers) or "a session that has just ended"
        return f"waiting for a lock on {self.relation or 'an object'}, held or requested by {holders}"

    @property
    def deadlocked(self) -> bool:
        """Whether a blocker waits for a session of ours. PostgreSQL does not see that our sessions depend on
        each other, so such a deadlock never ends by itself."""
        return any(blocker.for_us for blocker in self.blockers)


def statement_words(query: str) -> str:
    """The start of a statement, for people: keywords and names up to its first value, at most 80 characters.

    A quoted text or a number may be a secret or personal data.
    """
    text = " ".join(query.split())
    end = _VALUE.search(text)
    text = f"{text[: end.start()]}…" if end else text
    return text if len(text) <= _WORDS else f"{text[:_WORDS].rsplit(' ', 1)[0]} …"
