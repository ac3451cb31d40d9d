//! KML 2.3 (OGC 12-007r2): a placemark for each, and a link that makes a program ask again.

use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::places::Spot;

/// Seconds between two requests of a program that follows the link.
const REFRESH: &str = "5";
const NAMESPACE: (&str, &str) = ("xmlns", "http://www.opengis.net/kml/2.2");

type Xml = Writer<Vec<u8>>;

/// The placemarks of a room.
///
/// # Errors
/// Never: writing to memory does not fail.
pub(super) fn write(room: &str, spots: &[Spot]) -> io::Result<String> {
    document(|xml| {
        xml.create_element("Document").write_inner_content(|xml| {
            element(xml, "name", room)?;
            spots.iter().try_for_each(|spot| placemark(xml, spot))
        })?;
        Ok(())
    })
}

/// A document that asks for `href` again and again.
///
/// # Errors
/// Never: writing to memory does not fail.
pub(super) fn link(room: &str, href: &str) -> io::Result<String> {
    document(|xml| {
        xml.create_element("NetworkLink").write_inner_content(|xml| {
            element(xml, "name", room)?;
            xml.create_element("Link").write_inner_content(|xml| {
                element(xml, "href", href)?;
                element(xml, "refreshMode", "onInterval")?;
                element(xml, "refreshInterval", REFRESH)
            })?;
            Ok(())
        })?;
        Ok(())
    })
}

fn document(content: impl FnOnce(&mut Xml) -> io::Result<()>) -> io::Result<String> {
    let mut xml = Writer::new(Vec::new());
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    xml.create_element("kml").with_attribute(NAMESPACE).write_inner_content(content)?;
    String::from_utf8(xml.into_inner()).map_err(io::Error::other)
}

fn placemark(xml: &mut Xml, spot: &Spot) -> io::Result<()> {
    // An id of XML begins with a letter.
    let id = format!("id-{}", spot.uuid);
    xml.create_element("Placemark").with_attribute(("id", id.as_str())).write_inner_content(
        |xml| {
            element(xml, "name", &spot.name)?;
            xml.create_element("ExtendedData").write_inner_content(|xml| {
                data(xml, "presence", Some(spot.presence.to_owned()))?;
                data(xml, "time", Some(spot.written_time()))?;
                data(xml, "thing", spot.thing.clone())?;
                data(xml, "accuracy", spot.accuracy.map(|metres| metres.to_string()))?;
                data(xml, "speed", spot.speed.map(|speed| speed.to_string()))?;
                data(xml, "course", spot.course.map(|degrees| degrees.to_string()))
            })?;
            xml.create_element("Point").write_inner_content(|xml| {
                element(xml, "coordinates", &format!("{},{}", spot.lng, spot.lat))
            })?;
            Ok(())
        },
    )?;
    Ok(())
}

fn element(xml: &mut Xml, name: &str, text: &str) -> io::Result<()> {
    xml.create_element(name).write_text_content(BytesText::new(text))?;
    Ok(())
}

fn data(xml: &mut Xml, name: &str, value: Option<String>) -> io::Result<()> {
    let Some(value) = value else { return Ok(()) };
    xml.create_element("Data")
        .with_attribute(("name", name))
        .write_inner_content(|xml| element(xml, "value", &value))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::formats::places::example;

    #[test]
    fn a_placemark_is_escaped_and_has_the_longitude_first() {
        let xml = write("city", &[example("<Tom & \"Jerry\">")]).unwrap();
        assert!(xml.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?><kml xmlns="), "{xml}");
        assert!(xml.contains("<name>&lt;Tom &amp; &quot;Jerry&quot;&gt;</name>"), "{xml}");
        assert!(xml.contains("<Point><coordinates>14.5,46.05</coordinates></Point>"), "{xml}");
        assert!(xml.contains(r#"<Data name="course"><value>90</value></Data>"#), "{xml}");
        assert!(xml.contains(r#"<Placemark id="id-7d444840"#), "{xml}");
        let empty = write("city", &[]).unwrap();
        assert!(empty.ends_with("<Document><name>city</name></Document></kml>"), "{empty}");
    }

    #[test]
    fn a_link_asks_again() {
        let xml = link("city", "https://x/v1/rooms/city?format=kml&a=1").unwrap();
        assert!(xml.contains("<href>https://x/v1/rooms/city?format=kml&amp;a=1</href>"), "{xml}");
        assert!(xml.contains("<refreshInterval>5</refreshInterval>"), "{xml}");
    }
}
