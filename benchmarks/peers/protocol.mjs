// What a peer and the runner say to each other: see benchmarks/README.md, "How a peer is run".
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const task = JSON.parse(process.env.BENCH);

export const mode = task.mode;
export const concurrency = task.concurrency;
export const connection = { host: "127.0.0.1", port: task.redis_port, maxRetriesPerRequest: null };
const made = mode === "noop" || mode === "add";
export const urls = made ? [] : readFileSync(task.urls, "utf8").trimEnd().split("\n");
export const jobs = made ? Array.from({ length: task.jobs }, (_, n) => `http://host/${n}`) : urls;

export const say = (message) => process.stdout.write(JSON.stringify(message) + "\n");

// Resolves when the runner starts the clock.
export async function ready() {
  say({ event: "ready" });
  const lines = createInterface({ input: process.stdin });
  await new Promise((resolve) => lines.once("line", resolve));
}

export const count = { ok: 0, failed: 0, media: 0 };

// Called after each job; reports and exits when all are done.
export function jobEnded(ok) {
  ok ? count.ok++ : count.failed++;
  if (count.ok + count.failed === jobs.length) {
    say({ event: "done", ...count });
    process.stdin.on("end", () => process.exit(0)).resume();
  }
}

// Reports that the jobs are in the queue, where that was the task.
export function allAdded() {
  count.ok = jobs.length - 1;
  jobEnded(true);
}

// Adds all jobs in batches of `size`, as the original design's load test does.
export async function submit(queue, size) {
  const opts = { attempts: 1, removeOnComplete: true, removeOnFail: 100 };
  for (let start = 0; start < jobs.length; start += size) {
    await queue.addBulk(
      jobs.slice(start, start + size).map((url) => ({ name: "scrape-page", data: { url }, opts })),
    );
  }
}
