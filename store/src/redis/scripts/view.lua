#!lua flags=no-writes
-- KEYS room members marks messages deleted mentions | ARGV user withLastMessage(1|0)
-- Gives record seq rev eventId floor members membership marks deletedUnread mentions lastMessage; or nothing.
local member = redis.call('HGET', KEYS[2], ARGV[1])
if not member then return false end
local head = redis.call('HMGET', KEYS[1], 'record', 'seq', 'rev', 'eid', 'floor', 'members')
if not head[1] then return false end
local marks = redis.call('HGET', KEYS[3], ARGV[1]) or '0 0'
local joined = string.match(member, '^%S+ (%d+)')
local base = math.max(tonumber(string.match(marks, '%d+$')), tonumber(joined), tonumber(head[5]))
local deleted = redis.call('ZCOUNT', KEYS[5], string.format('(%d', base), '+inf')
local function named(who)
  return redis.call('ZLEXCOUNT', KEYS[6], string.format('(%s %016d', who, base), '(' .. who .. '!')
end
local message = ARGV[2] == '1' and redis.call('HGET', KEYS[4], head[2])
return {head[1], head[2], head[3], head[4], head[5], head[6], member, marks, deleted, named(ARGV[1]) + named('*'), message}
