/** A button that opens a form. What is sent is taken or refused as a whole; a refusal leaves the form as it was. */
import { useMutation } from '@tanstack/react-query'
import { type FormEvent, type ReactNode, useId, useState } from 'react'
import { Button, type ButtonProps } from './Button.tsx'
import { Dialog } from './Dialog.tsx'
import { FormError } from './Field.tsx'

export function FormDialog(props: {
  button: ReactNode
  icon?: ReactNode
  kind?: ButtonProps['kind']
  title: string
  about?: ReactNode
  /** What the button says that sends it. */
  verb: string
  /** By the names of the fields; a field that is not there is empty. */
  send: (given: FormData) => Promise<unknown>
  children: ReactNode
}) {
  const { button, icon, kind, title, about, verb, send, children } = props
  const id = useId()
  const [isOpen, setOpen] = useState(false)
  const sending = useMutation({ mutationFn: send, onSuccess: () => setOpen(false) })
  const close = () => setOpen(false)

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    sending.mutate(new FormData(event.currentTarget))
  }

  return (
    <>
      <Button
        kind={kind}
        icon={icon}
        onClick={() => {
          sending.reset()
          setOpen(true)
        }}
      >
        {button}
      </Button>
      <Dialog
        open={isOpen}
        title={title}
        busy={sending.isPending}
        onClose={close}
        actions={
          <>
            <Button disabled={sending.isPending} onClick={close}>
              Cancel
            </Button>
            <Button kind="primary" type="submit" form={id} busy={sending.isPending}>
              {verb}
            </Button>
          </>
        }
      >
        <form id={id} onSubmit={submit}>
          {about && <p>{about}</p>}
          {children}
          <FormError error={sending.error} />
        </form>
      </Dialog>
    </>
  )
}

/** What a field holds; `undefined` when it was left empty. */
export function given(form: FormData, name: string): string | undefined {
  const value = form.get(name)
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined
}
