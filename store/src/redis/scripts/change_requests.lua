#!lua
-- KEYS contacts blocks outgoing incoming log channel presenceChannel
-- ARGV op user access changesKept eventId eventId; then ask: mostContacts mostRequests hasMe(0|1); deliver: token
-- mostRequests; drop, lose: token
-- What one of the two does, by op, in the tag of its lists. Gives a word and two numbers. A request's token is the rev of
-- the entry in its asker's log that tells of it, so a later request has a greater one.
-- ask: the owner wants `user`. Gives CONTACT, BLOCKED, FULL, or PENDING token waited(0|1).
-- deliver: `user` wants the owner, by this token. Gives CONTACT (they want each other), FULL or PENDING.
-- befriend: `user` wants what the owner asked for.
-- drop: what the owner asked for, up to this token, waits no more. Gives DROPPED (BLOCKING where the owner blocks `user`),
-- and the tokens (0: none) of that and of what `user` asks.
-- lose: what `user` asked for, up to this token, waits no more.
local call, op, user, noted = redis.call, ARGV[1], ARGV[2], 0
local contacts, blocks, outgoing, incoming = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local is_contact = call('SISMEMBER', contacts, user) == 1
local blocked = call('SISMEMBER', blocks, user) == 1
local asked, is_asked = tonumber(call('ZSCORE', outgoing, user)), tonumber(call('ZSCORE', incoming, user))
local function note(entry)
  noted = noted + 1
  local eid = ARGV[4 + noted]
  local rev = call('HINCRBY', KEYS[5], 'rev', 1)
  call('HSET', KEYS[5], 'eid', eid, rev, eid .. ' ' .. entry)
  call('HDEL', KEYS[5], rev - tonumber(ARGV[4]))
  call('SPUBLISH', KEYS[6], 'u ' .. rev .. ' ' .. eid .. ' ' .. entry)
  return rev
end
local function befriend()
  call('ZREM', outgoing, user)
  call('ZREM', incoming, user)
  if call('SADD', contacts, user) == 1 then
    note('c ' .. user .. ' 1')
    call('SPUBLISH', KEYS[7], ARGV[3])
  end
  return {'CONTACT', 0, 0}
end
if op == 'ask' then
  if is_contact then return {'CONTACT', 0, 0} end
  if blocked then return {'BLOCKED', 0, 0} end
  local waiting = call('ZCARD', outgoing)
  if not asked and call('SCARD', contacts) + waiting >= tonumber(ARGV[7]) then return {'FULL', 0, 0} end
  if is_asked or ARGV[9] == '1' then return befriend() end
  if asked then return {'PENDING', asked, 1} end
  if waiting >= tonumber(ARGV[8]) then return {'FULL', 0, 0} end
  local token = note('q ' .. user .. ' o 1')
  call('ZADD', outgoing, token, user)
  return {'PENDING', token, 0}
elseif op == 'deliver' then
  if is_contact then return {'CONTACT', 0, 0} end
  if asked then return befriend() end
  if not is_asked and call('ZCARD', incoming) >= tonumber(ARGV[8]) then return {'FULL', 0, 0} end
  if not blocked then
    if not is_asked then note('q ' .. user .. ' i 1') end
    call('ZADD', incoming, 'GT', ARGV[7], user)
  end
  return {'PENDING', 0, 0}
elseif op == 'befriend' then
  if asked then return befriend() end
elseif op == 'drop' then
  if asked and asked <= tonumber(ARGV[7]) then
    call('ZREM', outgoing, user)
    note('q ' .. user .. ' o 0')
  else
    asked = 0
  end
  return {blocked and 'BLOCKING' or 'DROPPED', asked, is_asked or 0}
elseif is_asked and is_asked <= tonumber(ARGV[7]) then
  call('ZREM', incoming, user)
  note('q ' .. user .. ' i 0')
end
return {'OK', 0, 0}
