/** Where a session begins: a repository and a prompt; everything else has a default and is folded away. */
import type { SessionId } from '@corral/protocol'
import { useQuery } from '@tanstack/react-query'
import { type FormEvent, useEffect, useRef, useState } from 'react'
import { useLocation } from 'wouter'
import { useCorral } from '../app/corral.tsx'
import { useOrganization } from '../app/organization.tsx'
import { sessionAddress } from '../app/paths.ts'
import { usePerson } from '../app/person.tsx'
import { repositoriesOf } from '../sessions/sessionList.ts'
import { useLiveSessions } from '../sessions/useLiveSessions.ts'
import { Button } from '../ui/Button.tsx'
import { Field, FormError, TextField } from '../ui/Field.tsx'
import { Page } from '../ui/Page.tsx'
import { type Draft, emptyDraft } from './draft.ts'
import { readDraft, writeDraft } from './draftStorage.ts'
import { FurtherSections } from './FurtherSections.tsx'
import { ModelAndMode } from './ModelAndMode.tsx'
import styles from './NewSession.module.css'
import type { FieldErrors } from './request.ts'
import { useStart } from './useStart.ts'

const keptAfterMs = 300

export function NewSession() {
  const corral = useCorral()
  const { userId } = usePerson()
  const [, go] = useLocation()
  const [draft, setDraft] = useState(() => readDraft(userId))
  const form = useRef<HTMLFormElement>(null)
  const { sessions } = useLiveSessions()
  const installation = useQuery({
    queryKey: ['installation'],
    queryFn: () => corral.call.getInstallation.query({}),
    staleTime: 60_000,
  })
  const { state, start, again, giveUp } = useStart(begun)
  const workingIn = useOrganization().organization?.organizationId
  useEffect(() => {
    if (workingIn !== undefined) setDraft((before) => ({ ...before, organization: workingIn }))
  }, [workingIn])

  function begun(id: SessionId): void {
    // What one starts next is most often in the same place.
    writeDraft(userId, { ...draft, prompt: '', secrets: [], token: '' })
    go(sessionAddress(id))
  }
  useEffect(() => {
    const timer = setTimeout(() => writeDraft(userId, draft), keptAfterMs)
    return () => clearTimeout(timer)
  }, [userId, draft])

  const errors: FieldErrors = state.phase === 'editing' ? state.errors : {}
  useEffect(() => {
    if (Object.keys(errors).length === 0) return
    form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus()
  }, [errors])

  const change = (part: Partial<Draft>) => setDraft((before) => ({ ...before, ...part }))
  const given = { ...draft, model: draft.model || (installation.data?.defaultModel ?? '') }

  function submit(event: FormEvent<HTMLFormElement>): void {
    event.preventDefault()
    start(given)
  }

  return (
    <Page title="New session" about="An agent gets a sandbox with your repository, and works on what you ask for.">
      {/* What is wrong is said at its field, by the rules of the server; the browser's own would say it otherwise. */}
      <form ref={form} className={styles.form} onSubmit={submit} noValidate>
        <div className={styles.main}>
          <TextField
            label="What should the agent do?"
            placeholder="Fix the flaky test in checkout.spec.ts, and say why it was flaky."
            rows={5}
            autoFocus
            value={draft.prompt}
            error={errors.prompt}
            onChange={({ target }) => change({ prompt: target.value })}
            onKeyDown={(event) => {
              if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.current?.requestSubmit()
            }}
          />
          <div className={styles.where}>
            <Field
              label="Repository"
              placeholder="owner/repository, or an address"
              list="repositories"
              autoComplete="off"
              spellCheck={false}
              value={draft.repository}
              error={errors.repository}
              onChange={({ target }) => change({ repository: target.value })}
            />
            <Field
              label="Branch"
              placeholder="A new one"
              autoComplete="off"
              spellCheck={false}
              value={draft.branch}
              error={errors.branch}
              onChange={({ target }) => change({ branch: target.value })}
            />
          </div>
          <datalist id="repositories">
            {repositoriesOf(sessions).map(({ value, label }) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
          </datalist>
          <ModelAndMode draft={draft} onDraft={change} errors={errors} installation={installation.data} />
        </div>
        <FurtherSections draft={draft} onDraft={change} errors={errors} />
        <div className={styles.end}>
          {state.phase === 'unanswered' ? (
            <div className={styles.unanswered} role="alert">
              <p>
                <strong>No answer came.</strong> {state.error.message} Trying again starts the session once, whether or
                not the server has it already.
              </p>
              <Button onClick={giveUp}>Back to the form</Button>
              <Button kind="primary" onClick={again}>
                Try again
              </Button>
            </div>
          ) : (
            <>
              <FormError error={state.phase === 'editing' ? state.error : null} />
              {Object.keys(errors).length > 0 && (
                <p className={styles.wrong} role="status">
                  {Object.keys(errors).length === 1 ? 'One field needs' : `${Object.keys(errors).length} fields need`}{' '}
                  your attention.
                </p>
              )}
              <div className={styles.buttons}>
                <Button kind="quiet" disabled={state.phase === 'starting'} onClick={() => setDraft(emptyDraft)}>
                  Clear
                </Button>
                <Button type="submit" kind="primary" busy={state.phase === 'starting'}>
                  Start the session
                </Button>
              </div>
            </>
          )}
        </div>
      </form>
    </Page>
  )
}
