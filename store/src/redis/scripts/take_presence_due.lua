#!lua
-- KEYS due taken | ARGV now until limit
-- What is taken stands apart from what is due, so that finishing it does not lose a new end of grace.
local users = redis.call('ZRANGE', KEYS[2], '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[3])
for _, user in ipairs(users) do redis.call('ZADD', KEYS[2], ARGV[2], user) end
local room = tonumber(ARGV[3]) - #users
if room > 0 then
  for _, user in ipairs(redis.call('ZRANGE', KEYS[1], '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, room)) do
    redis.call('ZREM', KEYS[1], user)
    redis.call('ZADD', KEYS[2], ARGV[2], user)
    local known = false
    for _, other in ipairs(users) do known = known or other == user end
    if not known then users[#users + 1] = user end
  end
end
return users
