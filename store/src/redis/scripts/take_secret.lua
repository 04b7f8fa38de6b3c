#!lua
-- KEYS sessions channel user secrets | ARGV only except now, as end_sessions.lua; record next; hash secret call kind.
-- Gives what ended, where the secret is of a reset; false where record or secret changed meanwhile.
local function taken(secret) return 'taken ' .. string.match(secret, '^%a+ (%-?%d+) ') .. ' ' .. ARGV[8] end
local secret = redis.call('HGET', KEYS[4], ARGV[6])
if secret ~= taken(ARGV[7]) then -- else the same call again, after its answer was lost
  if secret ~= ARGV[7] or redis.call('GET', KEYS[3]) ~= ARGV[4] then return false end
  redis.call('SET', KEYS[3], ARGV[5])
  redis.call('HSET', KEYS[4], ARGV[6], taken(secret))
end
if ARGV[9] ~= 'reset' then return {} end
local all = redis.call('HGETALL', KEYS[4])
for at = 1, #all, 2 do
  if string.match(all[at + 1], '^reset ') then redis.call('HSET', KEYS[4], all[at], taken(all[at + 1])) end
end
return page()
