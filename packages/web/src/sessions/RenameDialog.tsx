/** A title of one's own for a session. */
import type { SessionRow } from '@corral/protocol'
import { useMutation } from '@tanstack/react-query'
import { type FormEvent, useId } from 'react'
import { useCorral } from '../app/corral.tsx'
import { Button } from '../ui/Button.tsx'
import { Dialog } from '../ui/Dialog.tsx'
import { Field, FormError } from '../ui/Field.tsx'

type Named = Pick<SessionRow, 'cloudAgentSessionId' | 'title'>

/** Null renames nothing, and is closed. */
export function RenameDialog({ session, onClose }: { session: Named | null; onClose: () => void }) {
  const corral = useCorral()
  const form = useId()
  const rename = useMutation({
    mutationFn: ({ id, title }: { id: Named['cloudAgentSessionId']; title: string }) => corral.rename(id, title),
    onSuccess: onClose,
  })

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    const title = String(new FormData(event.currentTarget).get('title')).trim()
    if (session && title !== '') rename.mutate({ id: session.cloudAgentSessionId, title })
  }

  return (
    <Dialog
      open={session !== null}
      title="Rename this session"
      busy={rename.isPending}
      onClose={onClose}
      actions={
        <>
          <Button disabled={rename.isPending} onClick={onClose}>
            Cancel
          </Button>
          <Button kind="primary" type="submit" form={form} busy={rename.isPending}>
            Rename
          </Button>
        </>
      }
    >
      <form id={form} onSubmit={submit}>
        <Field label="Title" name="title" defaultValue={session?.title ?? ''} maxLength={200} required autoFocus />
        <FormError error={rename.error} />
      </form>
    </Dialog>
  )
}
