/**
 * The page as files that the server serves, built when its sources are others than at the last time. Every text is there
 * in compressed forms, too, since compressing well takes longer than anybody wants to wait for an answer.
 */
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import { builtPage } from '../../packages/server/src/faces/page/built.ts'

const web = fileURLToPath(new URL('../../packages/web', import.meta.url))
const vite = fileURLToPath(import.meta.resolve('vite/package.json')).replace(/package\.json$/, 'bin/vite.js')
const buildMs = 5 * 60_000
const worthCompressingBytes = 1024

/** `folder` holds the builds of all versions. */
export async function buildPage({ folder: builds }: { folder: string }): Promise<void> {
  const { folder, isBuilt } = await builtPage({ folder: builds })
  if (isBuilt) return
  console.log('Building the page …')
  const unfinished = `${folder}.${randomUUID()}`
  await mkdir(dirname(folder), { recursive: true })
  try {
    const args = [vite, 'build', '--outDir', unfinished, '--logLevel', 'warn']
    await promisify(execFile)(process.execPath, args, { cwd: web, timeout: buildMs })
    await compress(unfinished)
    await rename(unfinished, folder).catch(async (error: unknown) => {
      // Somebody else was quicker.
      if (!(await builtPage({ folder: builds })).isBuilt) throw error
    })
  } catch (cause) {
    throw new Error('the page could not be built.', { cause })
  } finally {
    await rm(unfinished, { recursive: true, force: true })
  }
}

async function compress(folder: string): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const texts = entries.filter((entry) => entry.isFile() && /\.(html|js|css|svg|json)$/.test(entry.name))
  await Promise.all(
    texts.map(async (entry) => {
      const file = join(entry.parentPath, entry.name)
      const content = await readFile(file)
      if (content.length < worthCompressingBytes) return
      const params = { [constants.BROTLI_PARAM_QUALITY]: 10, [constants.BROTLI_PARAM_SIZE_HINT]: content.length }
      await writeFile(`${file}.br`, await promisify(brotliCompress)(content, { params }))
      await writeFile(`${file}.gz`, await promisify(gzip)(content, { level: 9 }))
    }),
  )
}
