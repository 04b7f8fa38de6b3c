#!lua
-- KEYS items read | ARGV at(ms), then the item or nothing (all). Gives how many there are of it, and were unread.
local ids = ARGV[2] and {ARGV[2]} or redis.call('HKEYS', KEYS[1])
local there, unread = 0, 0
for _, id in ipairs(ids) do
  if redis.call('HEXISTS', KEYS[1], id) == 1 then
    there = there + 1
    unread = unread + redis.call('HSETNX', KEYS[2], id, ARGV[1])
  end
end
return {there, unread}
