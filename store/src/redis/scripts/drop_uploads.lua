#!lua
-- KEYS uploads | ARGV ids; none: all. Their time has come. Gives those there are.
local ids, found = #ARGV > 0 and ARGV or redis.call('HKEYS', KEYS[1]), {}
for _, id in ipairs(ids) do
  local row = redis.call('HGET', KEYS[1], id)
  if row then
    redis.call('HSET', KEYS[1], id, (string.gsub(row, '^%d+', '0')))
    found[#found + 1] = id
  end
end
return found
