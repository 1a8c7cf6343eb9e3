// Runs one of the validators from npm: node validators.mjs NAME DATA SHAPES REPORT, N-Triples in, Turtle out.
import { readFileSync, writeFileSync } from 'node:fs'
import rdf from '@zazuko/env'
import { Parser, Writer } from 'n3'

const [name, data, shapes, report] = process.argv.slice(2)
const read = (file) => rdf.dataset(new Parser({ format: 'N-Triples', factory: rdf }).parse(readFileSync(file, 'utf8')))

async function validate () {
  if (name === 'rdf-validate-shacl') {
    const { default: Validator } = await import('rdf-validate-shacl')
    return new Validator(read(shapes), { factory: rdf }).validate(read(data))
  }
  const [{ Validator }, sparql] = await Promise.all([import('shacl-engine'), import('shacl-engine/sparql.js')])
  const { validations, targetResolvers } = sparql
  const validator = new Validator(read(shapes), { factory: rdf, validations, targetResolvers })
  return validator.validate({ dataset: read(data) })
}

const writer = new Writer()
for (const quad of (await validate()).dataset) writer.addQuad(quad.subject, quad.predicate, quad.object)
writer.end((error, text) => {
  if (error) throw error
  writeFileSync(report, text)
})
