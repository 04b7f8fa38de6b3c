#!lua
-- KEYS due jobs | ARGV now until limit. Gives name, attempt and job in turn.
local out = {}
for _, name in ipairs(redis.call('ZRANGE', KEYS[1], '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[3])) do
  local job = redis.call('HGET', KEYS[2], name)
  if job then
    local attempt, text = string.match(job, '^(%d+) (.*)$')
    attempt = string.format('%d', tonumber(attempt) + 1)
    redis.call('HSET', KEYS[2], name, attempt .. ' ' .. text)
    redis.call('ZADD', KEYS[1], ARGV[2], name)
    out[#out + 1] = name
    out[#out + 1] = attempt
    out[#out + 1] = text
  else
    redis.call('ZREM', KEYS[1], name)
  end
end
return out
