/** `POST /session`: a session about a repository, prepared and begun, that waits for its first prompt. */
import { type OpenSessionInput, openSessionInput, type Permissions } from '@corral/protocol'
import { z } from 'zod'
import type { Roots } from '../../../sessions/reads/roots.ts'
import type { Sessions } from '../../../sessions/sessions.ts'
import { parseInput } from '../../cloud-agent/refusal.ts'
import { readBody, smallBody } from '../body.ts'
import type { Projection } from '../projection.ts'
import { modelOf } from '../prompts/prompt.ts'
import { FacadeRefusal } from '../refusal.ts'
import type { Call } from '../route.ts'

const code = 'KILO_SESSION_CREATE_UNSUPPORTED'

const rule = z.strictObject({
  permission: z.string().max(200),
  pattern: z.string().max(1_000),
  action: z.enum(['allow', 'ask', 'deny']),
})
const bodySchema = z.strictObject({
  title: z.string().trim().max(200, 'must have at most 200 characters').optional(),
  agent: z.string().max(50).optional(),
  model: z
    .strictObject({ id: z.string().max(255), providerID: z.string().max(255), variant: z.string().max(50).optional() })
    .optional(),
  permission: z.array(rule).max(100, 'must have at most 100 rules').optional(),
  platform: z.string().min(1).max(100).optional(),
  metadata: z
    .strictObject({
      repository: z
        .strictObject({
          githubRepo: z.string().optional(),
          gitUrl: z.string().optional(),
          branch: z.string().optional(),
        })
        .optional(),
      /** Other members of a session's configuration, by their own names. */
      cloudAgent: z.record(z.string(), z.unknown()).optional(),
    })
    .optional(),
})

export function createSession(deps: {
  sessions: Sessions
  roots: Roots
  projection: Projection
  defaultModel: string
}) {
  return async function create({ caller, request }: Call): Promise<Response> {
    const { title = '', ...body } = await readBody(request, { maxBytes: smallBody, schema: bodySchema, code })
    const input = { ...configurationOf(body, deps.defaultModel), ...clientIdOf(request) }
    const { cloudAgentSessionId } = await deps.sessions.open(caller, { ...parseInput(openSessionInput, input), title })
    const root = await deps.roots.findById(caller, cloudAgentSessionId)
    return Response.json(deps.projection.session(root, null, deps.projection.originOf(request)))
  }
}

type Body = Omit<z.infer<typeof bodySchema>, 'title'>

/** Not looked at yet: it may have members that a session has not, or lack some. */
function configurationOf({ agent, model, permission, platform, metadata }: Body, defaultModel: string): object {
  const { repository, cloudAgent = {} } = metadata ?? {}
  // As the interface has it that this goes beyond: there, no session is made.
  if (!repository) {
    throw new FacadeRefusal(
      'KILO_ROUTE_UNSUPPORTED',
      'A session in the cloud needs a repository: metadata.repository with githubRepo or gitUrl.',
    )
  }
  const { branch, ...which } = repository
  const own = {
    ...which,
    ...(branch !== undefined && { upstreamBranch: branch }),
    ...(agent !== undefined && { mode: agent }),
    ...(model && { model: modelOf({ providerID: model.providerID, modelID: model.id }) }),
    ...(model?.variant !== undefined && { variant: model.variant }),
    ...(permission && { permissions: permissionsOf(permission) }),
    ...(platform !== undefined && { createdOnPlatform: platform }),
  }
  const twice = Object.keys(own).find((name) => name in cloudAgent)
  if (twice !== undefined) throw new FacadeRefusal(code, `metadata.cloudAgent.${twice}: is said elsewhere, too.`)
  return { mode: 'code', model: defaultModel, ...cloudAgent, ...own } satisfies Partial<OpenSessionInput>
}

const actions = { allow: 'auto', ask: 'ask', deny: 'deny' } as const

const permissionsOf = (rules: z.infer<typeof rule>[]): Permissions => ({
  default: 'auto',
  rules: rules.map(({ permission, pattern, action }) => ({
    tool: permission,
    action: actions[action],
    ...(pattern !== '*' && { pattern }),
  })),
})

function clientIdOf(request: Request): { clientId?: string } {
  const clientId = request.headers.get('idempotency-key')
  return clientId === null ? {} : { clientId }
}
