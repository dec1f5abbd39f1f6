wrk.method="POST"; wrk.headers["Content-Type"]="application/json"
local n = 0
local run = os.getenv("SECOND") or "0" -- other URLs than the warm-up, which would be duplicates
request=function() n=n+1; return wrk.format(nil,"/api/media/ingest",nil,'{"urls":["https://example.org/'..run..'/'..n..'"]}') end
done=function(s,l,r) io.write(string.format("RES n=%d rate=%.0f p50=%.1f p99=%.1f max=%.1f err=%d\n",s.requests,s.requests/s.duration*1e6,l:percentile(50)/1e3,l:percentile(99)/1e3,l.max/1e3,s.errors.connect+s.errors.read+s.errors.write+s.errors.status+s.errors.timeout)) end
