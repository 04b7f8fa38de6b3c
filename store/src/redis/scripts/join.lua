#!lua
-- KEYS room members joined marks changes channel void admins bans invites
-- ARGV user role eventId name(JSON) maxMembers changesKept invite(its hash, or nothing)
if redis.call('EXISTS', KEYS[7]) == 1 then return {'VOID'} end
local user, eid = ARGV[1], ARGV[3]
local head = redis.call('HMGET', KEYS[1], 'seq', 'rev', 'members')
if not head[1] then return {'NO_ROOM'} end
local old = redis.call('HGET', KEYS[2], user)
if old then
  -- The same call again, after its answer was lost.
  if string.sub(old, -16) == eid then return {'OK', old} end
  return {'ALREADY'}
end
if redis.call('HEXISTS', KEYS[9], user) == 1 then return {'BANNED'} end
local t = redis.call('TIME')
local ms = t[1] * 1000 + math.floor(t[2] / 1000)
local used
if ARGV[7] ~= '' then
  local invite, uses = string.match(redis.call('HGET', KEYS[10], ARGV[7]) or '', '^(.*) (%d+)$')
  local expires, most = string.match(invite or '', ' (%d+) (%d+)$')
  if not invite or ms >= tonumber(expires) or most ~= '0' and tonumber(uses) >= tonumber(most) then return {'NO_INVITE'} end
  local maker = string.match(redis.call('HGET', KEYS[2], string.match(invite, '^%S+')) or '', '^%a+')
  if maker ~= 'owner' and maker ~= 'admin' then return {'NO_INVITE'} end
  used = invite .. string.format(' %d', uses + 1)
end
if tonumber(head[3]) >= tonumber(ARGV[5]) then return {'FULL'} end
local at = string.format('%d', ms)
if used then redis.call('HSET', KEYS[10], ARGV[7], used) end
local revn = tonumber(head[2]) + 1
local rev = string.format('%d', revn)
local role = head[3] == '0' and 'owner' or ARGV[2]
local member = role .. ' ' .. head[1] .. ' ' .. rev .. ' ' .. at .. ' ' .. eid
redis.call('HSET', KEYS[2], user, member)
redis.call('ZADD', KEYS[3], rev, user)
if role == 'admin' then redis.call('ZADD', KEYS[8], rev, user) end
redis.call('HSET', KEYS[4], user, head[1] .. ' ' .. head[1])
redis.call('HSET', KEYS[1], 'rev', rev, 'eid', eid)
redis.call('HINCRBY', KEYS[1], 'members', 1)
redis.call('HSET', KEYS[5], rev, 'j ' .. eid .. ' ' .. at .. ' ' .. user .. ' 0')
redis.call('HDEL', KEYS[5], string.format('%d', revn - tonumber(ARGV[6])))
redis.call('SPUBLISH', KEYS[6], 'j ' .. rev .. ' ' .. eid .. ' ' .. at .. ' ' .. user .. ' 0\n' .. ARGV[4] .. '\n')
return {'OK', member}
