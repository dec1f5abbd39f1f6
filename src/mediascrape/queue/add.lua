-- Jobs that are added together have the same options, but for the deduplication id. These come once for all of a
-- call, and are unpacked and encoded once.
-- ARGV: prefix, options (never empty); per job id, name, timestamp, deduplication id or "", data.
local prefix, opts = ARGV[2], cmsgpack.unpack(ARGV[3])
local unpack_any, encode_any, common = cmsgpack.unpack, cjson.encode, opts["de"]
local encoded = encode_any(opts)
opts["de"] = nil
local others = string.sub(encode_any(opts), 2)

cmsgpack = { unpack = function(packed) return type(packed) == "table" and packed or unpack_any(packed) end }
cjson = { decode = cjson.decode, encode = function(value)
  if value ~= opts then return encode_any(value) end
  if opts["de"] == common then return encoded end
  return '{"de":{"id":' .. encode_any(opts["de"]["id"]) .. "}," .. others
end }

arguments = function(first)
  local id, name, timestamp, mark, data = unpack(ARGV, first, first + 4)
  opts["de"] = mark ~= "" and { id = mark } or common
  local key = opts["de"] and prefix .. "de:" .. opts["de"]["id"]
  return { { prefix, id, name, timestamp, nil, nil, nil, nil, key }, data, opts }
end
