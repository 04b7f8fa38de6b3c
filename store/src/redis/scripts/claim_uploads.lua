#!lua
-- KEYS uploads claimed | ARGV room attempt now until, then ids
-- Gives OK and the JSON of each, or NO_UPLOAD and claims none. A claimed row is `until room attempt`, then the row it was.
local claim, now = ARGV[1] .. ' ' .. ARGV[2], tonumber(ARGV[3])
local rows, out = {}, {'OK'}
for i = 5, #ARGV do
  local row = redis.call('HGET', KEYS[1], ARGV[i])
  local ends = row and string.match(row, '^(%d+)')
  if not row then
    local held = redis.call('HGET', KEYS[2], ARGV[i])
    local by
    if held then ends, by, row = string.match(held, '^(%d+) ([^\n]*)\n(.*)$') end
    if by ~= claim then return {'NO_UPLOAD'} end
  end
  if tonumber(ends) <= now then return {'NO_UPLOAD'} end
  rows[ARGV[i]] = row
  out[#out + 1] = string.match(row, '^[^\n]*\n(.*)$')
end
for id, row in pairs(rows) do
  redis.call('HSET', KEYS[2], id, ARGV[4] .. ' ' .. claim .. '\n' .. row)
  redis.call('HDEL', KEYS[1], id)
end
return out
