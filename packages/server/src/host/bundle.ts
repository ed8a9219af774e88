/**
 * A program of ours as one file, with everything in it but Node. The file is named by its content: the same sources give
 * the same file, and who runs an older one keeps it, whatever becomes of the sources.
 */
import { createHash, randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'esbuild'

// Some packages are CommonJS and require Node's own modules at run time.
const requireForCommonJs = `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);`

/** Returns the file's path. Bundles every time: that takes 0.1 s and more, and there is no notion of "stale" to get wrong. */
export async function bundle(program: {
  entry: string
  /** What the file's name begins with. */
  name: string
  folder: string
  minify: boolean
  /** Packages that are required if they are there, and are not. */
  absent?: string[]
}): Promise<string> {
  const { entry, name, folder, minify, absent = [] } = program
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node26',
    minify,
    external: absent,
    banner: { js: requireForCommonJs },
    logLevel: 'silent',
  })
  const [output] = outputFiles
  if (!output) throw new Error(`esbuild made nothing of ${entry}.`)

  const hash = createHash('sha256').update(output.contents).digest('hex').slice(0, 16)
  const path = join(folder, `${name}-${hash}.mjs`)
  if (existsSync(path)) return path

  await mkdir(folder, { recursive: true })
  const unfinished = `${path}.${randomUUID()}`
  await writeFile(unfinished, output.contents)
  // Sandboxes read theirs under users of their own, whatever our umask is.
  await chmod(unfinished, 0o644)
  await rename(unfinished, path)
  return path
}
