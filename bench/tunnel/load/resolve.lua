-- The name in the URL goes into SNI and Host; the connection goes to WRK_ADDRESS.
local resolve = wrk.resolve
wrk.resolve = function(_, service) resolve(os.getenv("WRK_ADDRESS"), service) end
