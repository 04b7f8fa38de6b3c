#!lua
-- KEYS presence channel | ARGV device device(JSON) alone(JSON) event(JSON) default(JSON)
-- Gives the hash with the device, as names and values in turn; of a name given twice the last value counts.
local presence = KEYS[1]
redis.call('HSET', presence, ARGV[1], ARGV[2])
redis.call('HINCRBY', presence, 'version', 1)
local fields = redis.call('HGETALL', presence)
local devices, chose, published = 0, false, ARGV[5]
for i = 1, #fields, 2 do
  local name = fields[i]
  if string.sub(name, 1, 2) == 'd:' then
    devices = devices + 1
  elseif name == 'text' or (name == 'chosen' and fields[i + 1] ~= 'online') then
    chose = true
  elseif name == 'published' then
    published = fields[i + 1]
  end
end
if devices == 1 and not chose and published ~= ARGV[3] then
  redis.call('HSET', presence, 'published', ARGV[3])
  redis.call('SPUBLISH', KEYS[2], ARGV[4])
  fields[#fields + 1] = 'published'
  fields[#fields + 1] = ARGV[3]
end
return fields
