-- Searches ask for words, and for phrases as pairs of words: two words that follow one another are a token of their own. A phrase is so a
-- look-up like a word's, where the positions that the index words kept were read for whole parts; and the index is less than half as large.
-- Queries ask for this expression to the letter (termsIndex in word-search.ts): the index answers no other.
-- The rows of a word that is said often lie in blocks, of which a tenant's search reads its own.
-- Old parts get the index in the background. Until then a search reads what was said in them: slower, and the same calls.
ALTER TABLE calls DROP INDEX IF EXISTS words;
ALTER TABLE calls ADD INDEX IF NOT EXISTS terms arrayConcat(tokens(lowerUTF8(said)), CAST(arrayZip(arrayPopBack(tokens(lowerUTF8(said))), arrayPopFront(tokens(lowerUTF8(said)))), 'Array(String)')) TYPE text(tokenizer = 'array', posting_list_block_size = 65536);
ALTER TABLE calls MATERIALIZE INDEX terms;
