"""What the Valkey server runs in one go, in Lua: so that what is counted is what is there, whoever else writes.

Keys of the server, all under one prefix (KEYS[1]):

    e:KEY          a row, packed; the server itself expires it
    rows           hash: KEY -> "size:group"
    used, expires  sorted sets of KEYs: by last use, by end (Unix seconds)
    g:GROUP        set of KEYs of one model and namespace; groups: hash GROUP -> bytes
    bytes          of all rows
    questions      how many; cursor: the newest one's
    q:PARTITION    sorted set of KEYs by cursor; d:PARTITION: hash KEY -> data; k:KEY: set of the PARTITIONs that KEY is in
    flushed        hash: what was flushed -> when, for rows that are still on their way
    epoch          drawn when the data began: another one, and all of it is other data
    changes        stream of what was written and flushed, numbered by `change`; KEPT of them are kept
    c:NAME         hash of counters
"""

from __future__ import annotations

KEPT = 20_000  # changes; a worker that falls behind further begins anew

_REMOVE = """
local at = KEYS[1]
local function remove(key)
  redis.call('DEL', at..'e:'..key)
  redis.call('ZREM', at..'used', key)
  redis.call('ZREM', at..'expires', key)
  local row = redis.call('HGET', at..'rows', key)
  if not row then return 0 end
  redis.call('HDEL', at..'rows', key)
  local colon = string.find(row, ':', 1, true)
  local size, group = tonumber(string.sub(row, 1, colon - 1)), string.sub(row, colon + 1)
  redis.call('DECRBY', at..'bytes', size)
  redis.call('SREM', at..'g:'..group, key)
  if redis.call('EXISTS', at..'g:'..group) == 1 then redis.call('HINCRBY', at..'groups', group, -size)
  else redis.call('HDEL', at..'groups', group) end
  for _, partition in ipairs(redis.call('SMEMBERS', at..'k:'..key)) do
    redis.call('ZREM', at..'q:'..partition, key)
    redis.call('HDEL', at..'d:'..partition, key)
    redis.call('DECR', at..'questions')
  end
  redis.call('DEL', at..'k:'..key)
  return 1
end
local function change(...)
  local number = redis.call('INCR', at..'change')
  redis.call('XADD', at..'changes', 'MAXLEN', '~', '%d', number..'-0', ...)
end
local function make_room(size, most)
  local count = 0
  while tonumber(redis.call('GET', at..'bytes') or '0') + size > most do
    local oldest = redis.call('ZRANGE', at..'used', 0, 7)
    if #oldest == 0 then break end
    for _, key in ipairs(oldest) do
      if tonumber(redis.call('GET', at..'bytes') or '0') + size <= most then break end
      count = count + remove(key)
    end
  end
  return count
end
""".replace("%d", str(KEPT))

# ARGV: key, packed row, size, group, now, milliseconds to live, created, expires, most bytes, process, four fields of `flushed`.
# Returns how many rows were evicted; -1: the row was flushed while it was on its way.
PUT = (
    _REMOVE
    + """
local key, size, group = ARGV[1], tonumber(ARGV[3]), ARGV[4]
for _, when in ipairs(redis.call('HMGET', at..'flushed', ARGV[11], ARGV[12], ARGV[13], ARGV[14])) do
  if when and tonumber(ARGV[7]) < tonumber(when) then return -1 end
end
redis.call('INCRBY', at..'bytes', 0) -- refused where the server's memory is full; later in a script nothing would be
local partitions = {}
for _, partition in ipairs(redis.call('SMEMBERS', at..'k:'..key)) do
  partitions[#partitions + 1] = {partition, redis.call('ZSCORE', at..'q:'..partition, key), redis.call('HGET', at..'d:'..partition, key)}
  size = size + tonumber(ARGV[15]) + #partitions[#partitions][3]
end
remove(key)
local evicted = make_room(size, tonumber(ARGV[9]))
redis.call('SET', at..'e:'..key, ARGV[2], 'PX', ARGV[6])
redis.call('HSET', at..'rows', key, size..':'..group)
redis.call('ZADD', at..'used', ARGV[5], key)
redis.call('ZADD', at..'expires', ARGV[8], key)
redis.call('SADD', at..'g:'..group, key)
redis.call('HINCRBY', at..'groups', group, size)
redis.call('INCRBY', at..'bytes', size)
for _, one in ipairs(partitions) do
  redis.call('ZADD', at..'q:'..one[1], one[2], key)
  redis.call('HSET', at..'d:'..one[1], key, one[3])
  redis.call('SADD', at..'k:'..key, one[1])
  redis.call('INCR', at..'questions')
end
change('k', key, 'w', ARGV[10])
return evicted
"""
)

# ARGV: partition, key, data, bytes beside the data, most bytes, the first cursor. Returns how many rows were evicted.
PUT_QUESTION = (
    _REMOVE
    + """
local partition, key, data = ARGV[1], ARGV[2], ARGV[3]
local row = redis.call('HGET', at..'rows', key)
if not row then return 0 end
local more = #data + tonumber(ARGV[4])
local old = redis.call('HGET', at..'d:'..partition, key)
if old then more = #data - #old else redis.call('INCR', at..'questions') end
local colon = string.find(row, ':', 1, true)
local size, group = tonumber(string.sub(row, 1, colon - 1)), string.sub(row, colon + 1)
redis.call('HSET', at..'rows', key, (size + more)..':'..group)
redis.call('HINCRBY', at..'groups', group, more)
redis.call('INCRBY', at..'bytes', more)
redis.call('SET', at..'cursor', ARGV[6], 'NX')
redis.call('ZADD', at..'q:'..partition, redis.call('INCR', at..'cursor'), key)
redis.call('HSET', at..'d:'..partition, key, data)
redis.call('SADD', at..'k:'..key, partition)
return make_room(0, tonumber(ARGV[5]))
"""
)

# ARGV: keys. Returns how many there were.
REMOVE = _REMOVE + "local count = 0 for _, key in ipairs(ARGV) do count = count + remove(key) end return count"

# ARGV: now, most rows. Returns how many were past their time.
EXPIRE = (
    _REMOVE
    + """
local count = 0
for _, key in ipairs(redis.call('ZRANGEBYSCORE', at..'expires', '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])) do count = count + remove(key) end
return count
"""
)

# ARGV: field of `flushed`, when, process. Removes nothing yet.
NOTE_FLUSH = (
    _REMOVE
    + """
redis.call('DEL', at..'none') -- after a removal a server whose memory is full refuses nothing
redis.call('HSET', at..'flushed', ARGV[1], ARGV[2])
redis.call('EXPIRE', at..'flushed', 3600)
change('f', ARGV[1], 'w', ARGV[3])
return 1
"""
)

# ARGV: group, most rows. Returns how many were removed; 0: the group is empty.
FLUSH_GROUP = (
    _REMOVE
    + """
local count = 0
local keys = redis.call('SRANDMEMBER', at..'g:'..ARGV[1], ARGV[2])
for _, key in ipairs(keys) do count = count + remove(key) end
if #keys == 0 then redis.call('HDEL', at..'groups', ARGV[1]) end
return count
"""
)

ALL = {"put": PUT, "put_question": PUT_QUESTION, "remove": REMOVE, "expire": EXPIRE, "note_flush": NOTE_FLUSH, "flush_group": FLUSH_GROUP}
