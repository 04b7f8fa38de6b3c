#!lua
-- KEYS room members admins changes channel
-- ARGV by byRole byEventId byName(JSON) user from to eventId name(JSON) changesKept
-- `user` gets another role; where it is the owner's, `by` becomes an admin after it. Gives OK and the room's position.
local call = redis.call
local head = call('HMGET', KEYS[1], 'rev', 'eid')
if not head[1] then return {'NO_ROOM'} end
local passes = ARGV[7] == 'owner'
local eid = passes and ARGV[3] or ARGV[8]
-- The same call again, after its answer was lost.
if head[2] == eid then return {'OK', head[1], eid} end
local function has(who, role)
  return string.match(call('HGET', KEYS[2], who) or '', '^%S*') == role
end
if not has(ARGV[1], ARGV[2]) or not has(ARGV[5], ARGV[6]) then return {'ROLES_CHANGED'} end
local t = call('TIME')
local at = string.format('%d', t[1] * 1000 + math.floor(t[2] / 1000))
local revn = tonumber(head[1])
local function give(who, role, eid, name)
  local joining, joined_rev = string.match(call('HGET', KEYS[2], who), '^%S+( %d+ (%d+).*)$')
  call('HSET', KEYS[2], who, role .. joining)
  if role == 'admin' then call('ZADD', KEYS[3], joined_rev, who) else call('ZREM', KEYS[3], who) end
  revn = revn + 1
  local rev = string.format('%d', revn)
  local change = eid .. ' ' .. at .. ' ' .. who .. ' 0 ' .. role
  call('HSET', KEYS[4], rev, 'p ' .. change)
  call('HDEL', KEYS[4], string.format('%d', revn - tonumber(ARGV[10])))
  call('SPUBLISH', KEYS[5], 'p ' .. rev .. ' ' .. change .. '\n' .. name .. '\n')
end
give(ARGV[5], ARGV[7], ARGV[8], ARGV[9])
if passes then give(ARGV[1], 'admin', ARGV[3], ARGV[4]) end
local rev = string.format('%d', revn)
call('HSET', KEYS[1], 'rev', rev, 'eid', eid)
return {'OK', rev, eid}
