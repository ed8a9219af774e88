/**
 * The scripted model as a process: `main.ts [--port 0] [--host 127.0.0.1] [--url-file <path>]`. The file appears whole,
 * with the URL in it, once requests are taken. SIGTERM and SIGINT end the process cleanly.
 */
import { rename, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { startScriptedModel } from './server.ts'

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    host: { type: 'string', default: '127.0.0.1' },
    'url-file': { type: 'string' },
  },
})

const model = await startScriptedModel({ port: Number(values.port), host: values.host })

for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void model.close())

const urlFile = values['url-file']
if (urlFile !== undefined) {
  const unfinished = `${urlFile}.${process.pid}`
  await writeFile(unfinished, `${model.url}\n`)
  await rename(unfinished, urlFile)
}
console.log(`listening on ${model.url}`)
