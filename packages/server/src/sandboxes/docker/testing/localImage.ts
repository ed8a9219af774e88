// The image of sandboxes, built by its recipe in `deploy/` from a base that is made of this machine's own programs, since
// tests have no registry: what the packages named here own, and the libraries that their programs load.
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { lstatSync, realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import Docker from 'dockerode'

const run = promisify(execFile)
const deploy = join(import.meta.dirname, '../../../../../../deploy')

const packages = [
  ...[
    'base-files',
    'bash',
    'bsdutils',
    'ca-certificates',
    'coreutils',
    'dash',
    'findutils',
    'git',
    'grep',
    'libatomic1',
    'libc-bin',
    'libc6',
  ],
  ...['libgcc-s1', 'libstdc++6'],
  ...['mount', 'perl-base', 'procps', 'ripgrep', 'sed', 'util-linux'],
]
const leftOut = /^\/(usr\/share\/(doc|info|lintian|locale|man)|etc\/(?!ssl|ca-certificates|alternatives))/

export async function buildLocalImage(host: string, image: string): Promise<void> {
  const docker = new Docker({ socketPath: host.replace('unix://', '') })
  const base = `${image}-base`
  await importFiles(docker, base, await baseFiles())
  const stream = await docker.buildImage(
    { context: deploy, src: ['Dockerfile.sandbox'] },
    { t: image, dockerfile: 'Dockerfile.sandbox', buildargs: { BASE: base }, networkmode: 'none' },
  )
  await new Promise<void>((resolve, reject) =>
    docker.modem.followProgress(stream, (error) => (error ? reject(error) : resolve())),
  )
}

async function importFiles(docker: Docker, repo: string, files: string[]): Promise<void> {
  const tar = execFile('tar', ['--create', '--null', '--no-recursion', '--files-from', '-'], {
    encoding: 'buffer',
    maxBuffer: Number.POSITIVE_INFINITY,
  })
  if (!tar.stdin || !tar.stdout) throw new Error('tar has no pipes.')
  const ended = once(tar, 'exit')
  tar.stdin.end(files.join('\0'))
  const answer = await docker.importImage(tar.stdout, { repo })
  await new Promise<void>((resolve, reject) =>
    docker.modem.followProgress(answer, (error) => (error ? reject(error) : resolve())),
  )
  const [code] = await ended
  if (code !== 0) throw new Error(`tar ended with ${code}.`)
}

async function baseFiles(): Promise<string[]> {
  const listed: string[] = []
  for (const name of packages) {
    // A package that this machine does not have is made up for by the recipe, or by nothing that the tests need.
    const { stdout } = await run('dpkg', ['-L', name]).catch(() => ({ stdout: '' }))
    listed.push(...stdout.split('\n').filter((path) => path.startsWith('/') && path !== '/.'))
  }
  const kept = listed.filter((path) => !leftOut.test(path) && lstatSync(path, { throwIfNoEntry: false }))
  const programs = kept.filter((path) => /\/(s?bin|libexec|git-core)\//.test(path) && lstatSync(path).isFile())
  const { stdout } = await run('ldd', programs, { maxBuffer: 64 * 1024 * 1024 }).catch(
    (error: { stdout: string }) => error,
  )
  const libraries = [...stdout.matchAll(/(?:=> |^\s+)(\/\S+) \(0x/gm)].map(([, path = '']) => path)
  const topLevel = ['/bin', '/sbin', '/lib', '/lib64']
  const found = [
    ...kept,
    '/etc/ssl/certs/ca-certificates.crt',
    ...libraries,
    ...libraries.map((path) => realpathSync(path)),
  ]
  return [...new Set([...topLevel, ...found.map(whereItLies)])]
    .filter((path) => lstatSync(path, { throwIfNoEntry: false }))
    .sort()
}

/** Packages still speak of `/bin` where that is a link to `/usr/bin`. */
const whereItLies = (path: string) => join(realpathSync(dirname(path)), basename(path))
