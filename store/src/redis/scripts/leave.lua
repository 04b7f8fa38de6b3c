#!lua
-- KEYS room members joined marks changes channel void admins bans mentions outcomes
-- ARGV user eventId name(JSON) changesKept mostEntries roleEventId by(nothing: they leave) byRole role(nothing: no member)
-- maxBans(0: no ban)
-- A member leaves, or `by` takes them out. Gives OK and the room's position.
local call = redis.call
if call('EXISTS', KEYS[7]) == 1 then return {'VOID'} end
local user, eid, by = ARGV[1], ARGV[2], ARGV[7]
local head = call('HMGET', KEYS[1], 'rev', 'eid')
if not head[1] then return {'NO_ROOM'} end
-- The same call again, after its answer was lost.
if head[2] == eid or head[2] == ARGV[6] then return {'OK', head[1], head[2]} end
local t = call('TIME')
local at = string.format('%d', t[1] * 1000 + math.floor(t[2] / 1000))
local function role_of(who)
  return string.match(call('HGET', KEYS[2], who) or '', '^%S*')
end
local role = role_of(user)
if by == '' then
  if role == '' then return {'NOT_A_MEMBER'} end
else
  if role_of(by) ~= ARGV[8] or role ~= ARGV[9] then return {'ROLES_CHANGED'} end
  if ARGV[10] ~= '0' and call('HEXISTS', KEYS[9], user) == 0 then
    if call('HLEN', KEYS[9]) >= tonumber(ARGV[10]) then return {'TOO_MANY_BANS'} end
    call('HSET', KEYS[9], user, by .. ' ' .. at)
  end
  if role == '' then return {'OK', head[1], head[2]} end
end
local revn = tonumber(head[1])
local function record(kind, eid, who, more, name)
  revn = revn + 1
  local rev = string.format('%d', revn)
  local rest = eid .. ' ' .. at .. ' ' .. who .. ' 0' .. more
  call('HSET', KEYS[5], rev, kind .. ' ' .. rest)
  call('HDEL', KEYS[5], string.format('%d', revn - tonumber(ARGV[4])))
  call('SPUBLISH', KEYS[6], kind .. ' ' .. rev .. ' ' .. rest .. '\n' .. name .. '\n')
end
call('HDEL', KEYS[2], user)
call('ZREM', KEYS[3], user)
call('ZREM', KEYS[8], user)
call('HDEL', KEYS[4], user)
-- What is over the limit is counted no more either, since coming back is later than it; it goes with its messages.
local named = call('ZRANGE', KEYS[10], '[' .. user .. ' ', '(' .. user .. '!', 'BYLEX', 'LIMIT', 0, tonumber(ARGV[5]))
if #named > 0 then call('ZREM', KEYS[10], unpack(named)) end
call('HDEL', KEYS[11], user)
if by == '' then record('l', eid, user, '', ARGV[3]) else record('b', eid, user, ' ' .. by, ARGV[3]) end
-- The admin who joined first, else the member who did.
local heir = by == '' and role == 'owner' and (call('ZRANGE', KEYS[8], 0, 0)[1] or call('ZRANGE', KEYS[3], 0, 0)[1])
if heir then
  eid = ARGV[6]
  call('HSET', KEYS[2], heir, 'owner' .. string.match(call('HGET', KEYS[2], heir), '^%S+(.*)$'))
  call('ZREM', KEYS[8], heir)
  record('p', eid, heir, ' owner', '""')
end
local rev = string.format('%d', revn)
call('HSET', KEYS[1], 'rev', rev, 'eid', eid)
call('HINCRBY', KEYS[1], 'members', -1)
return {'OK', rev, eid}
