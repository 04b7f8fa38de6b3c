#!lua
-- KEYS room members invites | ARGV by byRole hash lifetime(ms) maxUses(0: any) most
-- Gives OK and `by madeAt expiresAt maxUses uses` of the invite as it is now.
local call = redis.call
if call('HEXISTS', KEYS[1], 'rev') == 0 then return {'NO_ROOM'} end
if string.match(call('HGET', KEYS[2], ARGV[1]) or '', '^%S*') ~= ARGV[2] then return {'ROLES_CHANGED'} end
local t = call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local all, left = call('HGETALL', KEYS[3]), 0
local used_up = {}
for i = 1, #all, 2 do
  local expires, most, uses = string.match(all[i + 1], '^%S+ %d+ (%d+) (%d+) (%d+)$')
  if tonumber(expires) <= now then
    call('HDEL', KEYS[3], all[i])
  elseif all[i] == ARGV[3] then
    return {'OK', all[i + 1]}
  else
    left = left + 1
    if most ~= '0' and tonumber(uses) >= tonumber(most) then used_up[#used_up + 1] = all[i] end
  end
end
if left >= tonumber(ARGV[6]) then
  if #used_up == 0 then return {'TOO_MANY_INVITES'} end
  call('HDEL', KEYS[3], unpack(used_up))
end
local invite = ARGV[1] .. string.format(' %d %d ', now, now + tonumber(ARGV[4])) .. ARGV[5] .. ' 0'
call('HSET', KEYS[3], ARGV[3], invite)
return {'OK', invite}
