"""What redis-cli could do to the application's cache and queues."""

from collections.abc import Sequence

from ledgerflow_ops.guard.inside.effects import (
    Finding,
    Surroundings,
    changes,
    destroys,
    interactive,
    reads,
    unread,
)
from ledgerflow_ops.guard.inside.options import Unreadable, names, parse

_OPTIONS = "h= p= s= a= u= n= r= i= no-auth-warning raw no-raw pass= user= tls scan stat latency bigkeys csv"
_READS = names(
    """
    ping info get mget keys scan dbsize ttl pttl type exists llen lrange lindex hget hgetall hkeys
    hvals hlen smembers scard sismember zrange zcard zscore strlen time lastsave echo monitor
    slowlog command randomkey getrange memory object
    """
)
_LOSES = names(
    """
    flushall flushdb del unlink shutdown eval evalsha script function fcall debug migrate restore
    rename move spop lpop rpop ltrim getdel config module replicaof slaveof swapdb getset expire
    pexpire cluster failover hdel lrem srem zrem psync sync acl bgrewriteaof
    """
)


def client(args: Sequence[str], around: Surroundings) -> Finding:
    """The client of Redis, by the command that it sends."""
    try:
        given = parse(args, _OPTIONS, permute=False)
    except Unreadable as trouble:
        return unread(f"redis-cli would get arguments that cannot be read: {trouble}")
    if not given.operands:
        return interactive("redis-cli", around) if not given.options or around.input else reads("asks Redis")
    word = given.operands[0].lower()
    if word in _READS:
        return reads(f"{word} only reads")
    return destroys(f"{word} loses keys") if word in _LOSES else changes(f"sends {word} to Redis")
