/** The same bombs where nobody but the supervisor stands for memory: without control groups. */
import { bombs } from '../long/bombs.ts'

bombs({ cgroups: false })
