/** Code with its language, a way to copy it, and colors as soon as it does not grow any more. */
import { Check, Copy } from 'lucide-react'
import { type ReactNode, useEffect, useState } from 'react'
import { Button } from '../../ui/Button.tsx'
import { inPlace } from '../../ui/inPlace.ts'
import { Scroll } from '../../ui/Scroll.tsx'
import styles from './CodeBlock.module.css'
import { highlighted, type Shade } from './highlight.ts'

export function CodeBlock({ code, language, isSettled }: { code: string; language: string; isSettled: boolean }) {
  const [shades, setShades] = useState<{ of: string; shades: readonly Shade[] } | null>(null)
  useEffect(() => {
    if (!isSettled) return
    let isWanted = true
    void highlighted(code, language).then((found) => {
      if (isWanted && found) setShades({ of: code, shades: found })
    })
    return () => {
      isWanted = false
    }
  }, [code, language, isSettled])
  return (
    <figure className={styles.block}>
      <figcaption className={styles.head}>
        <span>{language || 'text'}</span>
        {/* Browsers give it to pages of secure addresses alone. */}
        {isSecureContext && <CopyButton text={code} />}
      </figcaption>
      <Scroll className={styles.scroll} label={`Code, ${language || 'text'}`}>
        <pre>
          <code>{shades?.of === code ? shaded(shades.shades) : code}</code>
        </pre>
      </Scroll>
    </figure>
  )
}

const shaded = (shades: readonly Shade[]): ReactNode =>
  inPlace(shades).map(({ place, item }) =>
    typeof item === 'string' ? (
      item
    ) : (
      <span key={place} className={styles[item.name]}>
        {shaded(item.children)}
      </span>
    ),
  )

export function CopyButton({ text }: { text: string }) {
  const [isCopied, setCopied] = useState(false)
  useEffect(() => {
    if (!isCopied) return
    const timer = setTimeout(() => setCopied(false), 2_000)
    return () => clearTimeout(timer)
  }, [isCopied])
  return (
    <Button
      kind="quiet"
      size="small"
      icon={isCopied ? <Check size={14} /> : <Copy size={14} />}
      aria-label={isCopied ? 'Copied' : 'Copy'}
      onClick={() => void navigator.clipboard.writeText(text).then(() => setCopied(true))}
    />
  )
}
