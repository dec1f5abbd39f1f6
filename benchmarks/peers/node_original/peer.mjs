// The original design: BullMQ worker, axios, cheerio. Does not retry, store, or look at robots.txt.
import axios from "axios";
import { Queue, Worker } from "bullmq";
import * as cheerio from "cheerio";
import { concurrency, connection, count, jobEnded, ready, submit } from "../protocol.mjs";

function extractMedia(html, base) {
  const $ = cheerio.load(html);
  const found = new Set();
  const add = (reference) => {
    if (reference && URL.canParse(reference, base)) found.add(new URL(reference, base).href);
  };
  $("img, video, audio, source").each((_, element) => {
    add($(element).attr("src"));
    for (const candidate of ($(element).attr("srcset") ?? "").split(",")) add(candidate.trim().split(/\s/)[0]);
  });
  return found;
}

async function scrape(job) {
  const { data } = await axios.get(job.data.url, { timeout: 60000, responseType: "text" });
  count.media += extractMedia(data, job.data.url).size;
}

const queue = new Queue("media-scrape", { connection });
await queue.waitUntilReady();
await ready();
const worker = new Worker("media-scrape", scrape, { connection, concurrency });
worker.on("completed", () => jobEnded(true)).on("failed", () => jobEnded(false));
await submit(queue, 50);
