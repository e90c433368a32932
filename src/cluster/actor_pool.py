"""`ActorPool`: calls to equal actors of a Ray cluster, some of which may end at any moment.

One thread waits for all calls under way (`ray.wait`) and hands out the next ones, one being made ready per actor while
one is worked on. A call whose actor ended goes back to the front of the queue, with an attempt counted; from then on it
is alone with its actor, so that the one that ends actors is told from those beside it. A call whose machine was lost
is to blame for nothing: no attempt is counted. Ray itself repeats no call.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future
from typing import Any

from src.cluster.call_queue import CallQueue
from src.cluster.room import holders, taken_text
from src.cluster.seat import ActorKind, Call, Seat
from src.errors import EditLoopError, ModelError, ModelUnusable, WaitBrokenOff
from src.reasons import reason_of

logger = logging.getLogger(__name__)

MOST_ATTEMPTS = 2
"""How many actors may end with a call before it is given up."""
_MOST_FUTILE = 2
_NOT_INSTALLED = (
    "EditLoop is not installed on a machine of the Ray cluster: install it there (make setup in a checkout), or give "
    "the machines a checkout by runtime.ray.runtime_env.working_dir"
)
_POLL = 0.02
_LOOK_AGAIN = 0.2
_PATIENCE, _REPEAT = 15.0, 60.0
"""Seconds without any actor after which the log says so, and says so again."""


class ActorPool:
    """Equal actors that take calls; safe to use from several threads.

    Args:
        kind: What the actors are.
        count: How many there are.
        timeout: Seconds after which an actor that gives nothing back is ended and replaced, as often over as calls of
            other processes may come before ours; None waits for ever.
    """

    def __init__(self, kind: ActorKind, count: int, timeout: float | None = None) -> None:
        self.kind = kind
        self.count = count
        self._timeout = timeout
        self._changed = threading.Condition()
        overdue = f"nothing came back within {timeout or 0:g} s ({kind.timeout_setting})"
        self._queue = CallQueue(kind.what, overdue)
        places = kind.shared.places(count) if kind.shared else range(count)
        self._seats = [Seat(place) for place in places]
        self._info: dict[str, Any] | None = None
        self._broken_off = 0
        self._error: EditLoopError | None = None
        self._closed = False
        self._without_actor_since = self._reserved_at = time.monotonic()
        self._said = float("-inf")
        for seat in self._seats:
            if kind.reservation is None or kind.is_reserved(seat.place):
                self._fill(seat)
        holders.add(self)
        self._thread = threading.Thread(target=self._run, name=f"ray-{kind.what}", daemon=True)
        self._thread.start()

    def submit(
        self, method: str, *arguments: Any, attempts: int = 0, most_attempts: int = MOST_ATTEMPTS
    ) -> Future[Any]:
        """Calls a method of whichever actor is free first.

        Args:
            method: Of the actors' class.
            arguments: Small ones, or references of `ray.put`.
            attempts: How many actors have ended with this work before.
            most_attempts: With how many it is given up.

        Returns:
            What the method returns or raises; or `WorkLost`; or `WaitBrokenOff`; or an `EditLoopError` when no actor
            can work at all.
        """
        call = Call(method, arguments, attempts, most_attempts)
        with self._changed:
            if self._error is not None:
                call.future.set_exception(self._error)
            else:
                self._queue.waiting.append(call)
                self._hand_out()
                self._changed.notify_all()
        return call.future

    def info(self) -> dict[str, Any]:
        """What `load` of an actor returned; waits for the first one.

        Raises:
            EditLoopError: no actor can load.
            WaitBrokenOff: `stop_waiting` was called.
        """
        with self._changed:
            before = self._broken_off
            self._changed.wait_for(lambda: self._info or self._error or self._broken_off > before)
            if self._error is not None:
                raise self._error
            if self._info is None:
                raise WaitBrokenOff(f"the run stops before {self.kind.what} was loaded")
            return self._info

    def stop_waiting(self) -> None:
        """Breaks off the calls that no actor has begun, and `info`."""
        with self._changed:
            self._broken_off += 1
            for call in self._queue.clear():
                call.future.set_exception(WaitBrokenOff("the run stops"))
            self._changed.notify_all()

    def close(self) -> None:
        """Ends the actors; of those that processes share, the first process does it."""
        import ray

        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._changed.notify_all()
        self._thread.join()
        self._fail(ModelError(f"the pool of {self.kind.what} is closed"))
        if (self.kind.shared is None or self.kind.shared.rank == 0) and ray.is_initialized():
            for seat in self._seats:
                if seat.actor is not None:
                    ray.kill(seat.actor)
        holders.discard(self)

    def holds(self, resource: str) -> float:
        """How much of a resource its actors have, but for those whose room is that of a reservation."""
        if self.kind.size.resource != resource:
            return 0.0
        reserved = self.kind.is_reserved
        return self.kind.size.amount * sum(seat.has_room for seat in self._seats if not reserved(seat.place))

    # The thread of the pool.

    def _run(self) -> None:
        import ray

        try:
            while not self._closed:
                with self._changed:
                    self._tend()
                    under_way = [ref for seat in self._seats for ref in (*seat.calls, seat.loading) if ref is not None]
                    under_way += self._queue.asked
                    if not under_way:
                        self._changed.wait(_LOOK_AGAIN)
                        continue
                done, _ = ray.wait(under_way, num_returns=len(under_way), timeout=0)
                if not done:
                    done, _ = ray.wait(under_way, num_returns=1, timeout=_POLL)
                for ref in done:
                    self._take(ref)
        except Exception as error:  # the connection is lost, or a fault of ours: nobody may wait for ever
            logger.exception("the pool of %s failed", self.kind.what)
            self._fail(ModelUnusable(f"the Ray cluster is lost ({reason_of(error)}); go on later with --resume"))

    def _take(self, ref: Any) -> None:
        """Takes what came of a call from Ray."""
        import ray
        from ray.exceptions import RayError, RayTaskError

        with self._changed:
            if self._queue.heard(ref):
                self._hand_out()
                return
        result: Any = None
        raised: BaseException | None = None
        try:
            result = ray.get(ref)
        except RayTaskError as error:  # the actor's own code raised
            raised = error.cause if isinstance(error.cause, Exception) else error
        except RayError as error:
            with self._changed:
                self._gone(ref, error)
            return
        with self._changed:
            seat = self._seat_of(ref)
            if seat is None:
                return
            if ref == seat.loading:
                self._loaded(seat, result, raised)
            else:
                call = seat.calls.pop(ref)
                seat.progress, seat.alone = time.monotonic(), False
                self._settle(call, result, raised)
            self._hand_out()
            self._changed.notify_all()

    def _settle(self, call: Call, result: Any, raised: BaseException | None) -> None:
        if raised is None:
            call.future.set_result(result)
            return
        if isinstance(raised, ModelUnusable):
            self._fail(raised)
        call.future.set_exception(raised)

    def _loaded(self, seat: Seat, info: dict[str, Any], raised: BaseException | None) -> None:
        seat.loading = None
        if raised is None:
            self._info = self._info or info
            seat.ready, seat.futile, seat.node = True, 0, info.get("node", "")
            logger.debug("%s %d is ready on %s", self.kind.what, seat.place, info.get("machine"))
        else:
            self._retire(seat, raised if isinstance(raised, EditLoopError) else ModelError(reason_of(raised)))

    def _retire(self, seat: Seat, error: EditLoopError) -> None:
        """Gives a place up; when it is the last one, everything."""
        seat.retired = True
        if all(other.retired for other in self._seats) or self._info is None:
            self._fail(error)
        else:
            logger.warning("going on without one of %d processes of %s: %s", self.count, self.kind.what, error)

    def _gone(self, ref: Any, error: Exception) -> None:
        """The actor that a call was with is gone, for a while or for good."""
        from ray.exceptions import ActorDiedError

        seat = self._seat_of(ref)
        if seat is None:
            return
        died_for_good = isinstance(error, ActorDiedError)
        was_loading = ref == seat.loading
        if not was_loading:
            call = seat.calls.pop(ref)
            self._queue.ended(call, error)
            if call.actor is not seat.actor:  # which has taken the place of the one that is gone
                return
        seat.alone = False
        seat.look_later(_LOOK_AGAIN)
        if died_for_good and was_loading:
            seat.futile += 1
            if "No module named 'src'" in str(error):
                self._retire(seat, ModelError(_NOT_INSTALLED))
                return
            if seat.futile >= _MOST_FUTILE:
                text = f"the process that loads {self.kind.what} ends again and again; see Ray's logs on its machine"
                self._retire(seat, ModelError(f"{text} ({reason_of(error)})"))
                return
        if died_for_good:
            seat.actor = self.kind.start(seat.place)

    # All of what follows is called while the lock is held.

    def _tend(self) -> None:
        now = time.monotonic()
        self._use_reservation(now)
        self._queue.tend()
        for seat in self._seats:
            if seat.retired or seat.actor is None:
                continue
            if not seat.ready and seat.loading is None and now >= seat.next_look:
                seat.begin_loading()
            elif self._timeout and seat.calls and now - seat.progress > self._timeout * self._turns():
                self._end_overdue(seat)
        self._hand_out()
        if any(seat.ready for seat in self._seats):
            self._without_actor_since = now
        elif now - self._without_actor_since > _PATIENCE and now - self._said > _REPEAT:
            self._said = now
            self._say_that_all_wait()

    def _fill(self, seat: Seat) -> None:
        seat.actor = self.kind.start(seat.place)
        seat.begin_loading()

    def _use_reservation(self, now: float) -> None:
        """Starts the actors that waited for the reservation.

        Where a lost machine has taken a part of it along and no other has room for that, the idle ones make room.
        """
        if self.kind.reservation is None:
            return
        outside = [seat for seat in self._seats if not seat.retired and not self.kind.is_reserved(seat.place)]
        if self.kind.reservation.is_held:
            self._reserved_at = now
            for seat in outside:
                if seat.actor is None:
                    self._fill(seat)
        elif now - self._reserved_at > _PATIENCE:
            for seat in outside:
                if seat.actor is not None and not seat.calls:
                    seat.leave()

    def _turns(self) -> int:
        """How many calls an actor may have to finish before one of ours: other processes' calls wait among them."""
        others = self.kind.shared.processes - 1 if self.kind.shared else 0
        return 1 + others * self._in_flight()

    def _in_flight(self) -> int:
        """How many calls an actor is given at once; none before anybody knows."""
        return int(self._info["in_flight"]) if self._info else 0

    def _end_overdue(self, seat: Seat) -> None:
        import ray

        waited = time.monotonic() - seat.progress
        logger.warning("%s gives nothing back for %.0f s and is replaced", self.kind.what, waited)
        seat.progress = time.monotonic()
        for call in seat.calls.values():
            call.overdue = True
        ray.kill(seat.actor, no_restart=False)

    def _say_that_all_wait(self) -> None:
        kind, waiting = self.kind, len(self._queue.waiting)
        if placed := sum(seat.has_room for seat in self._seats):
            logger.info("%s is loading in %d processes; %d calls wait", kind.what, placed, waiting)
            return
        logger.warning(
            "%s; %s. %d calls wait, and go on as soon as there is room; Ctrl-C stops, and --resume goes on later",
            *(kind.wish, taken_text(kind.size.resource), waiting),
        )

    def _seat_of(self, ref: Any) -> Seat | None:
        """The place that waits for this answer; None where nobody does any more."""
        return next((seat for seat in self._seats if ref == seat.loading or ref in seat.calls), None)

    def _hand_out(self) -> None:
        """Gives the calls that wait to the actors that are free, the least loaded first."""
        in_flight = self._in_flight()
        waiting = self._queue.waiting
        while waiting:
            free = [one for one in self._seats if one.ready and not one.alone and len(one.calls) < in_flight]
            seat = min(free, key=lambda one: len(one.calls), default=None)
            if seat is None or (waiting[0].attempts and seat.calls):
                return
            seat.send(waiting.popleft())

    def _fail(self, error: EditLoopError) -> None:
        """Nothing works any more: whoever waits, and whoever comes, is told."""
        with self._changed:
            self._error = self._error or error
            called = (call for seat in self._seats for call in seat.calls.values())
            waiting = [*self._queue.clear(), *called]
            for seat in self._seats:
                seat.calls.clear()
            for call in waiting:
                if not call.future.done():
                    call.future.set_exception(self._error)
            self._changed.notify_all()
