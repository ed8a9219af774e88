/** What makes a session work, and what stops it. */
import { directoryOf } from '../directories.ts'
import type { Route } from '../route.ts'
import { blockingPrompt } from './blocking.ts'
import { commandRefusals, readCommand } from './command.ts'
import { noAnswer } from './noAnswer.ts'
import { promptRefusals, readPrompt } from './prompt.ts'

export function promptRoutes(deps: Parameters<typeof blockingPrompt>[0]): Route[] {
  const { sessions, roots, projection, beyond } = deps
  return [
    {
      method: 'POST',
      path: '/session/:sessionID/prompt_async',
      scope: 'sessions:write',
      on: 'session',
      refusals: promptRefusals,
      async handle({ caller, root, request }) {
        const { input, extras } = await readPrompt(request, directoryOf(root.agentSessionId), beyond)
        await sessions.send(caller, root.id, input, extras)
        return new Response(null, { status: 204 })
      },
    },
    {
      method: 'POST',
      path: '/session/:sessionID/message',
      scope: 'sessions:write',
      beyond: true,
      on: 'session',
      refusals: promptRefusals,
      handle: blockingPrompt(deps),
    },
    {
      method: 'POST',
      path: '/session/:sessionID/command',
      scope: 'sessions:write',
      on: 'session',
      refusals: commandRefusals,
      async handle({ caller, root, request }) {
        const { input, extras } = await readCommand(request, beyond)
        const { executionId } = await sessions.send(caller, root.id, input, extras)
        // The real one comes as events.
        return Response.json(projection.message(root, await noAnswer(roots, root, executionId)))
      },
    },
    {
      method: 'GET',
      path: '/command',
      scope: 'sessions:read',
      on: 'selection',
      required: 'KILO_SESSION_SELECTOR_UNSUPPORTED',
      async handle({ caller, root }) {
        const commands = root ? await sessions.commands(caller, root.id) : await roots.newestCommands(caller)
        return Response.json(commands.map((command) => ({ ...command, template: '' })))
      },
    },
    {
      method: 'POST',
      path: '/session/:sessionID/abort',
      scope: 'sessions:write',
      on: 'session',
      async handle({ caller, root }) {
        await sessions.interrupt(caller, root.id)
        return Response.json(true)
      },
    },
  ]
}
