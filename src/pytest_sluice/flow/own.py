"""Whether a pipeline lets a run have names of its own, so that no two runs write to one place."""

from collections.abc import Iterable, Iterator

from pytest_sluice.declaration import Api, Names, Pipeline
from pytest_sluice.errors import BadDeclaration
from pytest_sluice.flow.guest import require_own_places


def require_own(pipeline: Pipeline, names: Names) -> None:
    """Refuse a pipeline that would share topic, folders or schema with another run."""
    require_own_places(pipeline, names)
    if fixed := list(_fixed(pipeline)):
        raise BadDeclaration(
            "a run of its own would share with others what the pipeline does not let it change",
            checked=fixed,
            remedy="put {topic}, {root} and {schema} where the components are told of them, or "
            "use the fixtures of the shared run instead of sluice_own_run",
        )


def _fixed(pipeline: Pipeline) -> Iterator[str]:
    """Each part that is not told a name of the run, a sentence each."""
    if (api := pipeline.api) and not _named("topic", _told(api)):
        yield "neither command nor environment of the Api has {topic}"
    if job := pipeline.job:
        needed = ["topic", *(["root"] if job.queries else [])]
        for name in needed:
            if not _named(name, job.environment.values()):
                yield f"the environment of the Job has no {{{name}}}"
    if ddl := pipeline.ddl:
        for name in ["schema", *(["root"] if pipeline.tables else [])]:
            if not _named(name, ddl.variables.values()):
                yield f"the variables of the Ddl have no {{{name}}}"


def _told(api: Api) -> Iterable[str]:
    return [*api.command, *api.environment.values()]


def _named(name: str, texts: Iterable[str]) -> bool:
    return any(f"{{{name}}}" in text.replace("{{", "") for text in texts)
