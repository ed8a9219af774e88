/**
 * The supervisor as the one file that a sandbox gets, with everything in it but Node. The file is named by its content:
 * the same sources give the same file, and a sandbox that runs an older one keeps it.
 */
import { createHash, randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const entry = fileURLToPath(new URL('../../../supervisor/src/main.ts', import.meta.url))

// `ws` is CommonJS and requires Node's own modules at run time.
const requireForCommonJs = `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);`

/** Returns the file's path. Bundles every time: that takes 0.1 s, and there is no notion of "stale" to get wrong. */
export async function supervisorBundle({ folder }: { folder: string }): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node26',
    // 2 MB less of memory in every sandbox.
    minify: true,
    banner: { js: requireForCommonJs },
    logLevel: 'silent',
  })
  const [output] = outputFiles
  if (!output) throw new Error(`esbuild made nothing of ${entry}.`)

  const hash = createHash('sha256').update(output.contents).digest('hex').slice(0, 16)
  const path = join(folder, `supervisor-${hash}.mjs`)
  if (existsSync(path)) return path

  await mkdir(folder, { recursive: true })
  const unfinished = `${path}.${randomUUID()}`
  await writeFile(unfinished, output.contents)
  // Sandboxes read it under users of their own, whatever our umask is.
  await chmod(unfinished, 0o644)
  await rename(unfinished, path)
  return path
}
