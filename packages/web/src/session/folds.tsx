/** What is folded open, kept for the page's life: rows of a virtual list come and go, and must come back as they were. */
import { createContext, type ReactNode, useContext, useRef, useState } from 'react'

const Folds = createContext<Map<string, boolean> | null>(null)

export function FoldsProvider({ children }: { children: ReactNode }) {
  const folds = useRef(new Map<string, boolean>())
  return <Folds value={folds.current}>{children}</Folds>
}

/** Open as it was left; until somebody touches it, as `byItself` says. */
export function useFold(id: string, byItself: boolean): [boolean, (isOpen: boolean) => void] {
  const folds = useContext(Folds)
  const [left, setLeft] = useState(folds?.get(id))
  function set(isOpen: boolean) {
    folds?.set(id, isOpen)
    setLeft(isOpen)
  }
  return [left ?? byItself, set]
}
