"""Migrations of documents: modules with a `class Forward` and a `class Backward`.

```python
class Forward:
    @iterative_migration()
    async def rename(self, input_document: OldNote, output_document: Note) -> None:
        output_document.title = input_document.name
```
"""
