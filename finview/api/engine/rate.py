"""A leaky bucket of cost points for each viewer, in this process."""

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable

BUCKETS_MAX = 10_000
LEAST_POINTS = 10  # an operation is never free, however little it reads


class Buckets:
    """What each viewer has spent; a bucket leaks `points_s` a second and holds `burst`."""

    def __init__(self, points_s: int, burst: int) -> None:
        self.points_s = points_s
        self.burst = burst
        self._lock = threading.Lock()
        self._filled: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def spend(self, who: Hashable, points: int) -> float:
        """Spend points of a viewer; return 0, or the seconds to wait when there is no room.

        An operation larger than the whole bucket passes when the bucket is empty.
        """
        points = max(points, LEAST_POINTS)
        now = time.monotonic()
        with self._lock:
            level, at = self._filled.get(who, (0.0, now))
            level = max(0.0, level - (now - at) * self.points_s)
            if level > 0 and level + points > self.burst:
                return min(level, level + points - self.burst) / self.points_s
            self._filled[who] = (level + points, now)
            self._filled.move_to_end(who)
            if len(self._filled) > BUCKETS_MAX:
                self._filled.popitem(last=False)
        return 0.0
