#!lua
-- KEYS draining, then expiry of each service | ARGV id ttl(ms). Gives -1; 0 where there is no such instance; n where it is
-- the last one of the nth service.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%d', now))
local found = 0
for at = 2, #KEYS do
  local here, others = false, 0
  for _, id in ipairs(redis.call('ZRANGE', KEYS[at], string.format('(%d', now), '+inf', 'BYSCORE')) do
    if id == ARGV[1] then
      here = true
    elseif not redis.call('ZSCORE', KEYS[1], id) then
      others = others + 1
    end
  end
  if here and others == 0 then return at - 1 end
  if here then found = 1 end
end
if found == 0 then return 0 end
redis.call('ZADD', KEYS[1], string.format('%d', now + tonumber(ARGV[2])), ARGV[1])
return -1
