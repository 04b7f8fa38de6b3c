#!lua
-- KEYS uploads | ARGV id row size mostUploads mostBytes. Gives 1, or 0 where there would be too many.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then return 1 end
local rows, bytes = redis.call('HVALS', KEYS[1]), tonumber(ARGV[3])
for _, row in ipairs(rows) do bytes = bytes + tonumber(string.match(row, '^%S+ (%d+)')) end
if #rows >= tonumber(ARGV[4]) or bytes > tonumber(ARGV[5]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
