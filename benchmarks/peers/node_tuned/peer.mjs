// Node with the fastest parts: BullMQ worker, undici, htmlparser2 as a stream.
// Does not retry, store, or look at robots.txt. Mode `noop` runs jobs that do nothing,
// added before the clock starts; mode `add` only adds.
import { Queue, Worker } from "bullmq";
import { Parser } from "htmlparser2";
import { Agent, request } from "undici";
import { allAdded, concurrency, connection, count, jobEnded, mode, ready, submit } from "../protocol.mjs";

const MEDIA = new Set(["img", "video", "audio", "source"]);
const dispatcher = new Agent({ connections: concurrency, headersTimeout: 60000, bodyTimeout: 60000 });

async function scrape(job) {
  if (mode === "noop") return;
  const base = job.data.url;
  const found = new Set();
  const add = (reference) => {
    if (reference && URL.canParse(reference, base)) found.add(new URL(reference, base).href);
  };
  const parser = new Parser({
    onopentag(name, attributes) {
      if (!MEDIA.has(name)) return;
      add(attributes.src);
      if (attributes.srcset) {
        for (const candidate of attributes.srcset.split(",")) add(candidate.trim().split(/\s/)[0]);
      }
    },
  });
  const { body, statusCode } = await request(base, { dispatcher });
  const decoder = new TextDecoder();
  for await (const chunk of body) parser.write(decoder.decode(chunk, { stream: true }));
  parser.end(decoder.decode());
  if (statusCode !== 200) throw new Error(`status ${statusCode}`);
  count.media += found.size;
}

const queue = new Queue("media-scrape", { connection });
await queue.waitUntilReady();
if (mode === "noop") await submit(queue, 500);
await ready();
if (mode === "add") {
  await submit(queue, 500);
  allAdded();
} else {
  const worker = new Worker("media-scrape", scrape, { connection, concurrency });
  worker.on("completed", () => jobEnded(true)).on("failed", () => jobEnded(false));
  if (mode !== "noop") await submit(queue, 500);
}
