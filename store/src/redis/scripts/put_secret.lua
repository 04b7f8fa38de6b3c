#!lua
-- KEYS secrets | ARGV hash secret now keep. A secret is `kind expires address`, or `taken expires call`.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
local now, last, kinds = tonumber(ARGV[3]), 0, {}
local all = redis.call('HGETALL', KEYS[1])
for at = 1, #all, 2 do
  local kind, expires = string.match(all[at + 1], '^(%a+) (%-?%d+) ')
  expires = tonumber(expires)
  if expires <= now then
    redis.call('HDEL', KEYS[1], all[at])
  else
    last = math.max(last, expires)
    kinds[kind] = kinds[kind] or {}
    table.insert(kinds[kind], {all[at], expires})
  end
end
for _, kind in pairs(kinds) do
  table.sort(kind, function(a, b) return a[2] > b[2] or (a[2] == b[2] and a[1] > b[1]) end)
  for at = tonumber(ARGV[4]) + 1, #kind do redis.call('HDEL', KEYS[1], kind[at][1]) end
end
-- There is no expiry of a field: the hash goes with its last secret, and what ended before with the next one.
return redis.call('PEXPIREAT', KEYS[1], string.format('%d', last))
