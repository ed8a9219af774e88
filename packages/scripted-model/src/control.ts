/** The control routes under `/__corral`: gates, the record of requests, health. */
import type { GateState, RecordedRequest } from './controlSchema.ts'
import type { Gates } from './gates.ts'
import type { Requests } from './requests.ts'

export const maxArrivalWaitMs = 60_000

export type ControlAnswer = {
  status: number
  body: GateState | GateState[] | RecordedRequest[] | { ok: boolean } | { error: string }
}

export const createControl = ({ gates, requests }: { gates: Gates; requests: Requests }) => {
  const done: ControlAnswer = { status: 200, body: { ok: true } }

  return async (method: string, url: URL): Promise<ControlAnswer> => {
    const [, , area, name, action] = url.pathname.split('/').map(decodeURIComponent)
    switch ([method, area, name ? 'one' : 'all', action].filter(Boolean).join(' ')) {
      case 'GET health all':
        return done
      case 'GET gates all':
        return { status: 200, body: gates.list() }
      case 'DELETE gates all':
        gates.reset()
        return done
      case 'GET gates one':
        return { status: 200, body: await gates.arrival(name ?? '', arrivalWaitMs(url)) }
      case 'POST gates one release':
        gates.release(name ?? '')
        return done
      case 'GET requests all':
        return { status: 200, body: requests.list() }
      case 'DELETE requests all':
        requests.reset()
        return done
      default:
        return {
          status: 404,
          body: { error: `There is no ${method} ${url.pathname}; see the package's README for the routes.` },
        }
    }
  }
}

const arrivalWaitMs = (url: URL): number => {
  const asked = Number(url.searchParams.get('waitMs') ?? 0)
  return Number.isFinite(asked) ? Math.min(Math.max(asked, 0), maxArrivalWaitMs) : 0
}
