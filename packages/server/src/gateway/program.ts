/**
 * The gateway's program as one file in the data folder. The server that bundled it starts this one again when the gateway
 * dies, whatever has become of the sources since: a program and the configuration that is written for it belong together.
 */
import { readdir, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundle } from '../host/bundle.ts'

const entry = fileURLToPath(new URL('./main.ts', import.meta.url))

/** Returns the file's path; another program has another one. Those of earlier servers go: who runs one has read it. */
export async function gatewayProgram(folder: string): Promise<string> {
  const path = await bundle({ entry, name: 'gateway', folder, minify: false, absent: ['pg-native'] })
  const earlier = (await readdir(folder)).filter(
    (name) => /^gateway-[0-9a-f]+\.mjs$/.test(name) && name !== basename(path),
  )
  await Promise.all(earlier.map((name) => rm(join(folder, name), { force: true })))
  return path
}
