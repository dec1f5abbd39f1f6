"""Spans of attempts and their steps for OpenTelemetry; needs the extra `mediascrape[otel]`.

Where spans are sent, how often and under what name is told by OpenTelemetry's own variables
(`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_SERVICE_NAME`, …).
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from importlib.metadata import version
from typing import TYPE_CHECKING

from mediascrape.errors import ConfigurationError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Tracer


def open_tracer(stack: AsyncExitStack, processor: SpanProcessor | None = None) -> Tracer:
    """A tracer whose spans are sent in the background until `stack` ends, the last ones then.

    Raises ConfigurationError where the extra is not installed. `processor` takes the place of the sending.
    """
    try:
        from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        if processor is None:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

            processor = BatchSpanProcessor(OTLPSpanExporter())
    except ImportError:
        raise ConfigurationError(
            "MEDIASCRAPE_OTEL needs OpenTelemetry: pip install 'mediascrape[otel]'"
        ) from None
    resource = Resource({SERVICE_NAME: "mediascrape"}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(processor)

    async def end() -> None:
        await asyncio.to_thread(provider.shutdown)

    stack.push_async_callback(end)
    return provider.get_tracer("mediascrape", version("mediascrape"))
