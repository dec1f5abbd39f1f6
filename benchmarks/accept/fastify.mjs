import Fastify from 'fastify'; import {Queue} from 'bullmq'; import IORedis from 'ioredis'; import {randomUUID} from 'node:crypto'
const connection=new IORedis({path:process.env.SOCKET,maxRetriesPerRequest:null})
const q=new Queue('media-scrape',{connection,defaultJobOptions:{attempts:2,backoff:{type:'exponential',delay:2000},removeOnComplete:true,removeOnFail:1000}})
const app=Fastify({logger:false})
app.post('/api/media/ingest',async(req,rep)=>{
 const urls=req.body.urls
 const jobs=urls.length===1?[await q.add('scrape-page',{url:urls[0]})]:await q.addBulk(urls.map(url=>({name:'scrape-page',data:{url}})))
 rep.code(202); return {batch_id:randomUUID(),queued:jobs.length,duplicates:0,rejected:[],jobs:jobs.map(j=>({id:j.id,url:j.data.url}))}
})
await app.listen({port:18700,host:'127.0.0.1'})
