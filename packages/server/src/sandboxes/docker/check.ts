// Tells whether this machine can run Docker sandboxes, and otherwise what is missing and what mends it. For
// `corral doctor`, for the choice of the driver, and for a start that failed.
import { type DriverCheck, SandboxError } from '../driver.ts'
import { dockerEngine, engineIsAway, refusedWith } from './engine.ts'

type Where = { host: string | null; image: string }

export async function checkDocker({ host, image }: Where): Promise<DriverCheck> {
  try {
    const engine = dockerEngine(host)
    const { OSType, OperatingSystem } = await engine.info()
    if (process.platform !== 'linux' || OSType !== 'linux' || /Docker Desktop/i.test(`${OperatingSystem}`))
      return inMachine
    await engine.getImage(image).inspect()
    return { works: true }
  } catch (error) {
    return failureOf(error, image)
  }
}

/** What went wrong at a start, in words for people. */
export async function explainFailure(error: unknown, where: Where): Promise<SandboxError> {
  if (error instanceof SandboxError) return error
  const check = engineIsAway(error) || refusedWith(error) === 404 ? await checkDocker(where) : { works: true as const }
  if (!check.works) return new SandboxError(check.problem, check.reason, { remedy: check.remedy, cause: error })
  const said = error instanceof Error ? error.message : String(error)
  return new SandboxError('start_failed', `Docker did not start the sandbox: ${said}`, { cause: error })
}

function failureOf(error: unknown, image: string): DriverCheck {
  if (error instanceof SandboxError) {
    return { works: false, problem: error.problem, reason: error.message, remedy: error.remedy ?? '' }
  }
  if (refusedWith(error) === 404) {
    return {
      works: false,
      problem: 'not_installed',
      reason: `Docker has no image ${image}.`,
      remedy: `docker build --tag ${image} --file deploy/Dockerfile.sandbox deploy`,
    }
  }
  const said = error instanceof Error ? error.message : String(error)
  return {
    works: false,
    problem: engineIsAway(error) ? 'not_installed' : 'not_supported',
    reason: `The Docker engine does not answer (${said}).`,
    remedy: 'Install and start Docker, and let this user use its socket: sudo usermod -aG docker "$USER"',
  }
}

const inMachine: DriverCheck = {
  works: false,
  problem: 'not_supported',
  reason: 'This Docker runs in a virtual machine, which cannot share the sockets of this host with a sandbox.',
  remedy: 'Run Corral inside of a Linux machine.',
}
